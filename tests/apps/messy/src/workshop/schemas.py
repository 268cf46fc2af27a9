from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=120)]
Price = Annotated[Decimal, Field(ge=0, max_digits=8, decimal_places=2)]


class CustomerIn(BaseModel):
    name: Name
    phone: Annotated[str | None, Field(max_length=40)] = None


class CustomerPatch(BaseModel):
    name: Name | None = None  # API025
    phone: Annotated[str | None, Field(max_length=40)] = None


class CustomerOut(BaseModel):
    id: int
    name: str
    phone: str | None

    class Config: orm_mode = True  # API007


class BikeIn(BaseModel):
    label: Name
    customer_id: int


class BikePatch(BaseModel):
    label: Name


class BikeOut(BaseModel):
    id: int
    label: str
    customer_id: int


class MechanicIn(BaseModel):
    email: Annotated[str, Field(max_length=254)]
    name: Name
    password: Annotated[str, Field(min_length=8, max_length=100)]
    pin: Annotated[str, Field(pattern=r"^\d{6}$")]


class MechanicCard(BaseModel):
    id: int
    name: str
    role: str


class MechanicOut(MechanicCard):
    email: str
    password_hash: str  # SEC009


class TokenOut(BaseModel):
    access_token: str
    token_type: str = "bearer"


class PartModel(BaseModel):  # API003
    id: int | None = None
    name: Name
    price: Price
    stock: Annotated[int, Field(ge=0)] = 0
    created_at: datetime | None = None


class PartOut(BaseModel):
    id: int
    name: str
    price: Decimal
    stock: int


class RestockItem(BaseModel):
    part_id: int
    quantity: Annotated[int, Field(ge=1, le=1000)]


class Restock(BaseModel):
    items: Annotated[list[RestockItem], Field(max_length=200)]


class RestockResult(BaseModel):
    value: Decimal


class OrderIn(BaseModel):
    bike_id: int
    due_on: date


class OrderCreated(BaseModel):
    id: int
    status: str


class OrderRow(BaseModel):
    id: int
    status: str
    due_on: date
    bike: str


class LineIn(BaseModel):
    part_id: int
    quantity: Annotated[int, Field(ge=1, le=100)]


class LineOut(BaseModel):
    part: str
    quantity: int
    price: Decimal


class CloseOrder(BaseModel):
    hours: Annotated[Decimal, Field(ge=0, le=200)]
    rush: bool = False
    member: bool = False
    voucher: Annotated[str, Field(max_length=20)] = ""


class InvoiceIn(BaseModel):
    order_id: int
    total: Price


class InvoiceOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    order_id: int
    total: Decimal
    paid: bool


class SupplierIn(BaseModel):
    name: Name
    bank_account: Annotated[str, Field(max_length=34)]


class SupplierOut(BaseModel):
    id: int
    name: str


class QuoteIn(BaseModel):
    hours: Annotated[Decimal, Field(ge=0, le=200)]
    parts: Price


class QuoteOut(BaseModel):
    total: Decimal


class Rate(BaseModel):
    hourly_rate: Price


class Discount(BaseModel):
    percent: Decimal


class Health(BaseModel):
    status: str


class PickupIn(BaseModel):
    address: Annotated[str, Field(max_length=200)]
    day: date


class PickupOut(BaseModel):
    reference: str


class PickupStatus(BaseModel):
    reference: str
    state: str


class LabelJob(BaseModel):
    printer: Annotated[str, Field(max_length=40)]
    order_id: int


class Count(BaseModel):
    name: str
    count: int


class Summary(BaseModel):
    open_orders: int
    unpaid_invoices: int
