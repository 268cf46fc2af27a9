from fastapi import APIRouter, Depends, HTTPException

from workshop import models
from workshop.deps import Db, PageOf, current_staff, require_manager
from workshop.repositories import PartRepository
from workshop.schemas import PartModel, PartOut, Restock, RestockResult
from workshop.services import inventory

router = APIRouter(prefix="/v1/parts", tags=["parts"], dependencies=[Depends(current_staff)])


@router.get("", response_model=list[PartOut])
def list_parts(page: PageOf, db: Db) -> list[models.Part]:
    """Parts on the shelves."""
    return PartRepository(db).page(page.limit, page.offset)


@router.post("", status_code=201, response_model=PartModel)
def create_part(body: PartModel, db: Db) -> models.Part:
    """A new kind of part."""
    part = models.Part(**body.dict(exclude={"id", "created_at"}))  # API007
    db.add(part)
    db.flush()
    return part


@router.post("/restock", dependencies=[Depends(require_manager)])
def restock_parts(body: Restock, db: Db) -> RestockResult:
    """Book a delivery."""
    return RestockResult(value=inventory.restock(PartRepository(db), body.items))


@router.get("/{part_id}", response_model=PartOut)
def read_part(part_id: int, db: Db) -> models.Part:
    """One kind of part."""
    part = PartRepository(db).find(part_id)
    if part is None:
        raise HTTPException(404, "No such part")
    return part


@router.delete("/{part_id}", status_code=204, dependencies=[Depends(require_manager)])
def delete_part(part_id: int, db: Db) -> None:
    """No longer kept."""
    part = PartRepository(db).find(part_id)
    if part is None:
        raise HTTPException(404, "No such part")
    db.delete(part)
