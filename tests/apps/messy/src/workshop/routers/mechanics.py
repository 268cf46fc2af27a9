from fastapi import APIRouter, Depends
from sqlalchemy import select

from workshop import security
from workshop.deps import Async, Db, PageOf, require_manager
from workshop.models import Mechanic
from workshop.schemas import MechanicCard, MechanicIn, MechanicOut

router = APIRouter(prefix="/v1/mechanics", tags=["mechanics"])


@router.get("", response_model=list[MechanicOut])
def list_mechanics(page: PageOf, db: Db) -> list[Mechanic]:
    """Everybody who works here."""
    return list(db.scalars(select(Mechanic).order_by(Mechanic.id).limit(page.limit).offset(page.offset)))


@router.post("", status_code=201, dependencies=[Depends(require_manager)])
async def create_mechanic(body: MechanicIn, session: Async) -> MechanicCard:
    """A new colleague."""
    mechanic = Mechanic(email=body.email, name=body.name)
    mechanic.password_hash = security.legacy_digest(body.password)
    mechanic.pin_hash = security.hash_pin(body.pin)
    session.add(mechanic)
    await session.flush()
    card = MechanicCard(id=mechanic.id, name=mechanic.name, role=mechanic.role)
    await session.commit()
    return card


@router.get("/names")
def list_names(page: PageOf, db: Db):  # API001
    """For the roster on the wall."""
    names = select(Mechanic.id, Mechanic.name).order_by(Mechanic.id)
    return [{"id": id, "name": name} for id, name in db.execute(names.limit(page.limit).offset(page.offset))]


@router.get("/{mechanic_id}")
def read_mechanic(mechanic_id: int, db: Db):  # API001
    """One colleague."""
    mechanic = db.get(Mechanic, mechanic_id)
    if mechanic is None:
        return {"error": "No such mechanic"}, 404  # API008
    return {"id": mechanic.id, "name": mechanic.name, "role": mechanic.role}
