from fastapi.testclient import TestClient

from tests.conftest import Headers


def test_search_finds_a_book_with_its_author(client: TestClient, book_id: int, member: Headers) -> None:
    response = client.get("/api/v1/books", params={"text": "left hand"}, headers=member)
    assert response.status_code == 200
    assert response.json()["total"] == 1
    found = response.json()["items"][0]
    assert found["author"]["name"] == "Ursula K. Le Guin"
    assert [subject["name"] for subject in found["subjects"]] == ["Fiction", "Winter"]
    nothing = client.get("/api/v1/books", params={"author_id": 99, "sort": "year"}, headers=member)
    assert nothing.json() == {"items": [], "total": 0}


def test_search_refuses_unknown_orders(client: TestClient, member: Headers) -> None:
    response = client.get("/api/v1/books", params={"sort": "id; drop table books"}, headers=member)
    assert response.status_code == 422


def test_read_book(client: TestClient, book_id: int, member: Headers) -> None:
    assert client.get(f"/api/v1/books/{book_id}", headers=member).json()["year"] == 1969
    missing = client.get("/api/v1/books/999", headers=member)
    assert (missing.status_code, missing.json()) == (404, {"detail": "No such book"})


def test_create_book_rules(client: TestClient, book_id: int, librarian: Headers, member: Headers) -> None:
    body = {"isbn": "9780441478125", "title": "Twice", "year": 2000, "replacement_price": "1.00", "author_id": 1}
    assert client.post("/api/v1/books", json=body, headers=librarian).status_code == 409
    assert client.post("/api/v1/books", json=body, headers=member).status_code == 403
    assert client.post("/api/v1/books", json=body | {"author_id": 99}, headers=librarian).status_code == 404
    assert client.post("/api/v1/books", json=body | {"isbn": "12"}, headers=librarian).status_code == 422


def test_delete_book(client: TestClient, book_id: int, librarian: Headers, member: Headers) -> None:
    path = f"/api/v1/books/{book_id}"
    assert client.delete(path, headers=member).status_code == 403
    assert client.delete(path, headers=librarian).status_code == 204
    assert client.delete(path, headers=librarian).status_code == 404


def test_authors(client: TestClient, librarian: Headers, member: Headers) -> None:
    created = client.post("/api/v1/authors", json={"name": "Italo Calvino"}, headers=librarian)
    assert created.status_code == 201
    assert client.post("/api/v1/authors", json={"name": "Italo Calvino"}, headers=librarian).status_code == 409
    assert client.post("/api/v1/authors", json={"name": "Nobody"}, headers=member).status_code == 403
    author_id = created.json()["id"]
    assert client.get(f"/api/v1/authors/{author_id}", headers=member).json() == created.json()
    assert client.get("/api/v1/authors/999", headers=member).status_code == 404
