from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import httpx2
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import JSONResponse
from slowapi.errors import RateLimitExceeded
from sqlalchemy import select

from workshop import models, schemas
from workshop.db import async_engine, engine
from workshop.deps import Db, PageOf, current_staff, require_manager
from workshop.errors import NotFound, WorkshopError
from workshop.limits import limiter
from workshop.routers import auth, exports, invoices, manuals, mechanics, orders, parts, pickups, reports
from workshop.services import phones
from workshop.services.estimates import estimator

Record = TypeVar("Record")
STAFF = [Depends(current_staff)]
MANAGER = [Depends(require_manager)]
ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"description": "Not understood"},
    401: {"description": "Not logged in"},
    403: {"description": "Not allowed"},
    404: {"description": "Not found"},
    409: {"description": "Not possible now"},
    429: {"description": "Too many attempts"},
}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx2.AsyncClient(timeout=None) as http:  # ASY016
        app.state.http = http
        yield
    await async_engine.dispose()


app = FastAPI(title="Spokes", version="2.3.0", debug=True, docs_url=None, lifespan=lifespan, responses=ERRORS)  # ORG012, SEC018, SEC019
app.state.limiter = limiter
app.add_middleware(GZipMiddleware)
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True, allow_methods=["*"])  # SEC007
app.include_router(auth.router)
app.include_router(orders.router, dependencies=STAFF)
app.include_router(parts.router)
app.include_router(invoices.router, dependencies=STAFF)
app.include_router(mechanics.router, dependencies=STAFF)
app.include_router(reports.router, dependencies=STAFF)
app.include_router(pickups.router, dependencies=STAFF)
app.include_router(manuals.router, dependencies=STAFF)
app.include_router(exports.router)


@app.on_event("startup")  # ORG004
def create_tables() -> None:
    models.Base.metadata.create_all(engine)  # DAT016, ASY002


@app.exception_handler(WorkshopError)
async def answer_workshop_error(request: Request, error: WorkshopError) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=error.status_code)


@app.exception_handler(RateLimitExceeded)
async def answer_too_many(request: Request, error: RateLimitExceeded) -> JSONResponse:
    return JSONResponse({"detail": "Too many attempts"}, status_code=429)


@app.get("/health", tags=["health"])
async def read_health() -> schemas.Health:
    """The process answers."""
    return schemas.Health(status="up")


@app.get("/v1/customers", tags=["customers"], dependencies=STAFF, response_model=list[schemas.CustomerOut])
def list_customers(
    page: PageOf,
    db: Db,
    initial: Annotated[str | None, Query(regex="^[A-Z]$")] = None,  # API022
) -> list[models.Customer]:
    """Customers by name."""
    statement = select(models.Customer).order_by(models.Customer.name, models.Customer.id)
    if initial:
        statement = statement.where(models.Customer.name.startswith(initial))
    return list(db.scalars(statement.limit(page.limit).offset(page.offset)))


@app.post(
    "/v1/customers",
    tags=["customers"],
    status_code=201,
    dependencies=STAFF,
    response_model=schemas.CustomerOut,
)
def create_customer(body: schemas.CustomerIn, db: Db) -> models.Customer:
    """A new customer."""
    customer = models.Customer(name=body.name, phone=phones.normal_form(body.phone))
    db.add(customer)
    db.flush()
    return customer


@app.get(
    "/v1/customers/{customer_id}",
    tags=["customers"],
    dependencies=STAFF,
    response_model=schemas.CustomerOut,
)
def read_customer(customer_id: int, db: Db) -> models.Customer:
    """One customer."""
    return found(db.get(models.Customer, customer_id))


@app.patch(
    "/v1/customers/{customer_id}",
    tags=["customers"],
    dependencies=STAFF,
    response_model=schemas.CustomerOut,
)
def update_customer(customer_id: int, body: schemas.CustomerPatch, db: Db) -> models.Customer:
    """Correct name or phone."""
    customer = found(db.get(models.Customer, customer_id))
    for field, value in body.model_dump(exclude_unset=True).items():
        setattr(customer, field, value)
    return customer


@app.delete("/v1/customers/{customer_id}", tags=["customers"], status_code=204, dependencies=MANAGER)
def delete_customer(customer_id: int, db: Db) -> None:
    """Forget a customer and the bikes."""
    db.delete(found(db.get(models.Customer, customer_id)))


@app.get(
    "/v1/customers/{customer_id}/bikes",
    tags=["bikes"],
    dependencies=STAFF,
    response_model=list[schemas.BikeOut],
)
def list_bikes_of_customer(customer_id: int, page: PageOf, db: Db) -> list[models.Bike]:
    """The bikes of one customer."""
    statement = select(models.Bike).where(models.Bike.customer_id == customer_id).order_by(models.Bike.id)
    return list(db.scalars(statement.limit(page.limit).offset(page.offset)))


@app.get("/v1/bikes", tags=["bikes"], dependencies=STAFF, response_model=list[schemas.BikeOut])
def list_bikes(page: PageOf, db: Db) -> list[models.Bike]:
    """All bikes."""
    return list(db.scalars(select(models.Bike).order_by(models.Bike.id).limit(page.limit).offset(page.offset)))


@app.post("/v1/bikes", tags=["bikes"], status_code=201, dependencies=STAFF, response_model=schemas.BikeOut)
def create_bike(body: schemas.BikeIn, db: Db) -> models.Bike:
    """A new bike."""
    bike = models.Bike(**body.model_dump())
    db.add(bike)
    db.flush()
    return bike


@app.get("/v1/bikes/{bike_id}", tags=["bikes"], dependencies=STAFF, response_model=schemas.BikeOut)
def read_bike(bike_id: int, db: Db) -> models.Bike:
    """One bike."""
    return found(db.get(models.Bike, bike_id))


@app.get("/v1/bikes/waiting", tags=["bikes"], dependencies=STAFF, response_model=list[schemas.BikeOut])
def list_waiting_bikes(page: PageOf, db: Db) -> list[models.Bike]:  # API004
    """Bikes with an open order."""
    waiting = select(models.Bike).join(models.RepairOrder).where(models.RepairOrder.status == "open")
    return list(db.scalars(waiting.order_by(models.Bike.id).limit(page.limit).offset(page.offset)))


@app.patch("/v1/bikes/{bike_id}", tags=["bikes"], dependencies=STAFF, response_model=schemas.BikeOut)
def update_bike(bike_id: int, body: schemas.BikePatch, db: Db) -> models.Bike:
    """Correct the label."""
    bike = found(db.get(models.Bike, bike_id))
    bike.label = body.label
    return bike


@app.delete("/v1/bikes/{bike_id}", tags=["bikes"], status_code=204, dependencies=MANAGER)
def delete_bike(bike_id: int, db: Db) -> None:
    """Scrapped."""
    db.delete(found(db.get(models.Bike, bike_id)))


@app.get("/v1/suppliers", tags=["suppliers"], dependencies=STAFF, response_model=list[schemas.SupplierOut])
def list_suppliers(page: PageOf, db: Db) -> list[models.Supplier]:
    """All suppliers."""
    return list(
        db.scalars(select(models.Supplier).order_by(models.Supplier.id).limit(page.limit).offset(page.offset))
    )


@app.post(
    "/v1/suppliers",
    tags=["suppliers"],
    status_code=201,
    dependencies=MANAGER,
    response_model=schemas.SupplierOut,
)
def create_supplier(body: schemas.SupplierIn, db: Db) -> models.Supplier:
    """A new supplier."""
    supplier = models.Supplier(**body.model_dump())
    db.add(supplier)
    db.flush()
    return supplier


@app.get("/v1/suppliers/{supplier_id}", tags=["suppliers"], dependencies=STAFF)
def read_supplier(supplier_id: int, db: Db) -> schemas.SupplierOut:
    """One supplier."""
    supplier = found(db.get(models.Supplier, supplier_id))
    content = {"id": supplier.id, "name": supplier.name, "bank_account": supplier.bank_account}
    return JSONResponse(content)  # API002


@app.delete("/v1/suppliers/{supplier_id}", tags=["suppliers"], status_code=204, dependencies=MANAGER)
def delete_supplier(supplier_id: int, db: Db) -> None:
    """Out of business."""
    db.delete(found(db.get(models.Supplier, supplier_id)))


@app.post("/v1/quotes", tags=["quotes"], dependencies=STAFF)
async def make_quote(body: schemas.QuoteIn) -> schemas.QuoteOut:
    """What a repair will cost."""
    return schemas.QuoteOut(total=estimator.quote(body.hours, body.parts))


@app.get("/v1/quotes/rate", tags=["quotes"], dependencies=STAFF)
async def read_rate() -> schemas.Rate:
    """What an hour costs."""
    return schemas.Rate(hourly_rate=estimator.hourly_rate)


@app.put("/v1/quotes/rate", tags=["quotes"], dependencies=MANAGER)
async def set_rate(body: schemas.Rate) -> schemas.Rate:
    """Change what an hour costs."""
    estimator.hourly_rate = body.hourly_rate
    return body


@app.get("/v1/discounts/{code}", tags=["quotes"], dependencies=STAFF)
async def read_discount(code: str) -> schemas.Discount:
    """What a code like SPRING-10 is worth."""
    try:
        return schemas.Discount(percent=Decimal(code.split("-")[1]))
    except Exception as error:
        raise HTTPException(400, detail=str(error))  # SEC017


@app.get("/v1/opening-days", tags=["health"], dependencies=STAFF)
async def list_opening_days() -> list[str]:
    """When somebody is here."""
    return ["Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]


def found(record: Record | None) -> Record:
    if record is None:
        raise NotFound("No such record")
    return record
