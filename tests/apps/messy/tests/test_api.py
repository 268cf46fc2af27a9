import pytest
from fastapi.testclient import TestClient

from workshop.main import app

client = TestClient(app)  # TST002
Headers = dict[str, str]


@pytest.fixture
def customer_id(staff: Headers) -> int:
    response = client.post("/v1/customers", json={"name": "Ada", "phone": "+49 301234"}, headers=staff)
    assert response.status_code == 201, response.text
    return int(response.json()["id"])


@pytest.fixture
def bike_id(customer_id: int, staff: Headers) -> int:
    body = {"label": "Red tandem", "customer_id": customer_id}
    return int(client.post("/v1/bikes", json=body, headers=staff).json()["id"])


@pytest.fixture
def part_id(staff: Headers) -> int:
    body = {"name": "Chain", "price": "20.00", "stock": 5}
    return int(client.post("/v1/parts", json=body, headers=staff).json()["id"])


@pytest.fixture
def invoice_id(staff: Headers) -> int:
    response = client.post("/v1/invoices", json={"order_id": 7, "total": "12.50"}, headers=staff)
    assert response.status_code == 201, response.text
    return int(response.json()["id"])


@pytest.mark.parametrize(
    "path",
    [
        "/v1/customers",
        "/v1/customers/1",
        "/v1/customers/1/bikes",
        "/v1/bikes",
        "/v1/bikes/1",
        "/v1/bikes/waiting",
        "/v1/suppliers",
        "/v1/suppliers/1",
        "/v1/quotes/rate",
        "/v1/discounts/SPRING-10",
        "/v1/opening-days",
        "/v1/orders",
        "/v1/orders/1",
        "/v1/orders/1/lines",
        "/v1/parts",
        "/v1/parts/1",
        "/v1/invoices",
        "/v1/invoices/1",
        "/v1/mechanics",
        "/v1/mechanics/1",
        "/v1/mechanics/names",
    ],
)
def test_reading_needs_a_token(path: str) -> None:
    assert client.get(path).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/v1/customers",
        "/v1/bikes",
        "/v1/suppliers",
        "/v1/quotes",
        "/v1/orders",
        "/v1/orders/1/lines",
        "/v1/orders/1/close",
        "/v1/parts",
        "/v1/parts/restock",
        "/v1/invoices",
        "/v1/invoices/reminders",
        "/v1/invoices/1/payment",
        "/v1/mechanics",
    ],
)
def test_writing_needs_a_token(path: str) -> None:
    assert client.post(path, json={}).status_code == 401


@pytest.mark.parametrize("path", ["/v1/customers/1", "/v1/bikes/1", "/v1/suppliers/1", "/v1/parts/1"])
def test_deleting_is_for_managers(path: str, staff: Headers, manager: Headers) -> None:
    assert client.delete(path, headers=staff).status_code == 403
    assert client.delete(path, headers=manager).status_code == 404


def test_health() -> None:
    assert client.get("/health").json() == {"status": "up"}


def test_customers_and_bikes(customer_id: int, bike_id: int, staff: Headers, manager: Headers) -> None:
    renamed = client.patch(f"/v1/customers/{customer_id}", json={"name": "Ada L."}, headers=staff)
    assert renamed.json() == {"id": customer_id, "name": "Ada L.", "phone": "+49 301234"}
    assert client.get("/v1/customers", params={"initial": "A"}, headers=staff).json() == [renamed.json()]
    bike = client.patch(f"/v1/bikes/{bike_id}", json={"label": "Tandem"}, headers=staff).json()
    assert client.get(f"/v1/customers/{customer_id}/bikes", headers=staff).json() == [bike]
    assert client.get("/v1/bikes", headers=staff).json() == [bike]
    assert client.patch(f"/v1/bikes/{bike_id}", json={"label": ""}, headers=staff).status_code == 422
    assert client.delete(f"/v1/bikes/{bike_id}", headers=manager).status_code == 204
    assert client.get(f"/v1/bikes/{bike_id}", headers=staff).status_code == 404


def test_suppliers(manager: Headers) -> None:
    body = {"name": "Wheels Ltd", "bank_account": "DE00"}
    supplier = client.post("/v1/suppliers", json=body, headers=manager).json()
    assert client.get("/v1/suppliers", headers=manager).json() == [supplier]
    assert client.get(f"/v1/suppliers/{supplier['id']}", headers=manager).json()["name"] == "Wheels Ltd"


def test_quotes(staff: Headers, manager: Headers) -> None:
    assert client.put("/v1/quotes/rate", json={"hourly_rate": "50"}, headers=staff).status_code == 403
    assert client.put("/v1/quotes/rate", json={"hourly_rate": "50"}, headers=manager).status_code == 200
    quote = client.post("/v1/quotes", json={"hours": "2", "parts": "10"}, headers=staff)
    assert quote.json() == {"total": "110"}
    assert client.get("/v1/discounts/SPRING-10", headers=staff).json() == {"percent": "10"}
    assert len(client.get("/v1/opening-days", headers=staff).json()) == 5


def test_login(manager: Headers) -> None:
    body = {"email": "eve@workshop.example", "name": "Eve", "password": "long enough", "pin": "123456"}
    created = client.post("/v1/mechanics", json=body, headers=manager)
    assert created.status_code == 201, created.text
    form = {"username": "eve@workshop.example", "password": "long enough"}
    assert client.post("/v1/auth/login", data=form).json()["token_type"] == "bearer"
    assert client.post("/v1/auth/login", data=form | {"password": "wrong"}).status_code == 401
    assert [m["name"] for m in client.get("/v1/mechanics", headers=manager).json()] == ["Boss", "Eve"]
    assert client.get("/v1/mechanics/names", headers=manager).json()[1]["name"] == "Eve"
    assert client.get(f"/v1/mechanics/{created.json()['id']}", headers=manager).json()["role"] == "staff"


def test_parts(part_id: int, staff: Headers, manager: Headers) -> None:
    delivery = {"items": [{"part_id": part_id, "quantity": 2}]}
    assert client.post("/v1/parts/restock", json=delivery, headers=manager).json() == {"value": "24.000"}
    assert client.get(f"/v1/parts/{part_id}", headers=staff).json()["stock"] == 7
    assert [part["id"] for part in client.get("/v1/parts", headers=staff).json()] == [part_id]
    missing = {"items": [{"part_id": 99, "quantity": 2}]}
    assert client.post("/v1/parts/restock", json=missing, headers=manager).json() == {"detail": "No part 99"}


def test_orders(staff: Headers) -> None:
    assert client.get("/v1/orders", headers=staff).json() == []
    assert client.post("/v1/orders", json={"bike_id": 1, "due_on": "soon"}, headers=staff).status_code == 422
    assert client.get("/v1/orders/1", headers=staff).status_code == 404
    assert client.get("/v1/orders/1/lines", headers=staff).json() == []
    line = {"part_id": 99, "quantity": 1}
    assert client.post("/v1/orders/1/lines", json=line, headers=staff).status_code == 404
    assert client.post("/v1/orders/1/close", json={"hours": "1"}, headers=staff).status_code == 404


def test_invoices(invoice_id: int, staff: Headers, manager: Headers) -> None:
    assert client.post("/v1/invoices/reminders", headers=staff).status_code == 403
    assert client.post("/v1/invoices/reminders", headers=manager).status_code == 202
    paid = client.post(f"/v1/invoices/{invoice_id}/payment", headers=staff).json()
    assert paid == {"id": invoice_id, "order_id": 7, "total": "12.50", "paid": True}
    assert client.get(f"/v1/invoices/{invoice_id}", headers=staff).json() == paid
    assert client.get("/v1/invoices", headers=staff).json() == [paid]


def test_openapi_lists_the_same_paths_as_before() -> None:
    paths = app.openapi()["paths"]
    assert (len(paths), sum(len(operations) for operations in paths.values())) == (44, 59)
