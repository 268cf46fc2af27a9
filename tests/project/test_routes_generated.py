"""Routes that libraries generate, as their documentation says them: compared with what they really register."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.project.running import Row, mapped, served
from tests.project.trees import make

USERS = """
    import uuid
    from fastapi import Depends, FastAPI
    from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
    from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy

    class Read(schemas.BaseUser[uuid.UUID]): ...
    class Create(schemas.BaseUserCreate): ...
    class Update(schemas.BaseUserUpdate): ...
    class User: ...
    class Manager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]): ...

    def get_manager():
        yield Manager(None)

    def get_strategy():
        return JWTStrategy(secret="x", lifetime_seconds=60)

    backend = AuthenticationBackend(
        name="jwt", transport=BearerTransport(tokenUrl="auth/login"), get_strategy=get_strategy
    )
    users = FastAPIUsers[User, uuid.UUID](get_manager, [backend])
    current_user = users.current_user(active=True)
    maybe_user = users.current_user(optional=True)

    app = FastAPI()
    app.include_router(users.get_auth_router(backend), prefix="/auth/jwt", tags=["auth"])
    app.include_router(users.get_register_router(Read, Create), prefix="/auth", tags=["auth"])
    app.include_router(users.get_reset_password_router(), prefix="/auth")
    app.include_router(users.get_verify_router(Read), prefix="/auth")
    app.include_router(users.get_users_router(Read, user_update_schema=Update), prefix="/users")

    @app.get("/mine")
    def read_mine(user: User = Depends(current_user)): ...

    @app.get("/perhaps")
    def read_perhaps(user: User | None = Depends(maybe_user)): ...
"""


def generated(rows: list[Row]) -> list[Row]:
    """Without the line, which stands in the library, and dependencies, of which the library has its own."""
    return [replace(row, line=0, dependencies=()) for row in rows]


def compare(folder: Path, files: dict[str, str]) -> None:
    project = make(folder, files)
    assert generated(mapped(project)) == generated(served(folder, "main:app"))
    assert project.route_map.unknown == []


def test_fastapi_users(tmp_path: Path) -> None:
    pytest.importorskip("fastapi_users")
    compare(tmp_path, {"main.py": USERS})


def test_who_is_guarded_by_fastapi_users(tmp_path: Path) -> None:
    project = make(tmp_path, {"main.py": USERS})
    found = {(route.methods[0], route.path): route.auth for route in project.routes}
    assert found == {
        ("POST", "/auth/jwt/login"): False,
        ("POST", "/auth/jwt/logout"): True,
        ("POST", "/auth/register"): False,
        ("POST", "/auth/forgot-password"): False,
        ("POST", "/auth/reset-password"): False,
        ("POST", "/auth/request-verify-token"): False,
        ("POST", "/auth/verify"): False,
        ("GET", "/users/me"): True,
        ("PATCH", "/users/me"): True,
        ("GET", "/users/{id}"): True,
        ("PATCH", "/users/{id}"): True,
        ("DELETE", "/users/{id}"): True,
        ("GET", "/mine"): True,
        ("GET", "/perhaps"): False,
    }
    assert {route.place.path for route in project.routes} == {"main.py"}
    assert "main.get_manager" in next(r for r in project.routes if r.path == "/users/me").dependencies


def test_the_path_of_one_user_by_version(tmp_path: Path) -> None:
    project = make(tmp_path, {"main.py": USERS, "requirements.txt": "fastapi\nfastapi-users==9.3.2\n"})
    assert {r.path for r in project.routes if "{" in r.path} == {"/users/{id:uuid}"}


def test_oauth_routers(tmp_path: Path) -> None:
    pytest.importorskip("httpx_oauth")
    more = """
    from httpx_oauth.clients.github import GitHubOAuth2
    client = GitHubOAuth2("id", "secret")
    app.include_router(users.get_oauth_router(client, backend, "secret"), prefix="/github")
    app.include_router(users.get_oauth_associate_router(client, Read, "secret"), prefix="/associate")
"""
    compare(tmp_path, {"main.py": USERS + more})


def test_subclass_of_fastapi_users(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
                from fastapi import APIRouter, Depends, FastAPI
                from fastapi_users import FastAPIUsers

                class Users(FastAPIUsers[int, int]):
                    def get_more_router(self, backend) -> APIRouter:
                        router = APIRouter()
                        @router.get("/more")
                        def more(): ...
                        return router

                users = Users(manager, [backend])
                token = users.authenticator.current_user_token(active=True)
                app = FastAPI()
                app.include_router(users.get_auth_router(backend))
                app.include_router(users.get_more_router(backend))

                @app.get("/mine")
                def read_mine(user=Depends(token)): ...
            """
        },
    )
    assert [r.path for r in project.routes] == ["/login", "/logout", "/more", "/mine"]
    assert [r.auth for r in project.routes] == [False, True, False, True]
    assert project.route_map.unknown == []


def test_strawberry(tmp_path: Path) -> None:
    pytest.importorskip("strawberry")
    compare(
        tmp_path,
        {
            "main.py": """
                import strawberry
                from fastapi import FastAPI
                from strawberry.fastapi import GraphQLRouter

                @strawberry.type
                class Query:
                    @strawberry.field
                    def hello(self) -> str:
                        return "x"

                class Own(GraphQLRouter):
                    pass

                schema = strawberry.Schema(Query)
                app = FastAPI()
                app.include_router(GraphQLRouter(schema), prefix="/graphql")
                app.include_router(Own(schema, path="/own", graphql_ide=None, allow_queries_via_get=False))
            """
        },
    )


def test_prometheus(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_fastapi_instrumentator")
    compare(
        tmp_path,
        {
            "main.py": """
                from fastapi import FastAPI
                from prometheus_fastapi_instrumentator import Instrumentator

                app, other = FastAPI(), FastAPI()
                Instrumentator().instrument(app).expose(app)
                Instrumentator(should_group_status_codes=False).expose(
                    app, endpoint="/other", include_in_schema=False, tags=["m"]
                )
            """
        },
    )


def test_what_libraries_mount_without_saying_it_is_listed(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
                from fastapi import FastAPI
                from fastapi_mcp import FastApiMCP
                from fastcrud import crud_router
                from sqladmin import Admin
                app = FastAPI()
                admin = Admin(app, engine)
                mcp = FastApiMCP(app)
                mcp.mount_http()
                app.include_router(crud_router(session=session, model=Item), prefix="/items")
            """
        },
    )
    assert [(u.line, u.why) for u in project.route_map.unknown] == [
        (7, "sqladmin serves its own pages on this application"),
        (9, "fastapi_mcp serves its own endpoints on this application"),
        (10, "its routes are generated by fastcrud.crud_router"),
    ]
