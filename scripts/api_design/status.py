"""Status codes: what an answer says it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from api_design.dimension import api
from api_design.effects import writes
from api_design.routes import Handler, handlers, segments
from check import LOW, MEDIUM, Found, Hit
from project import Class, Function, Place, Project
from project.language.shapes import NONE
from project.routing.interpret_values import Cls, Func, plain
from project.routing.parameters import PATH_NAME
from project.serving.exceptions import HTTP_ERRORS
from project.serving.http_errors import HttpError

_KEYS = r"(token|credentials?|session|api.?key|signature|authorization|bearer|jwt|cookie)"
_WHO = re.compile(
    rf"\b(invalid|expired|missing|malformed|incorrect|bad|unknown)\s+(\w+\s+){{0,2}}{_KEYS}"
    rf"|{_KEYS}\s+(\w+\s+){{0,2}}(expired|invalid|missing|malformed|revoked|not valid)"
    r"|could not (validate|verify|authenticate)|not (authenticated|logged in)|authentication (required|failed)"
    r"|no credentials",
    re.IGNORECASE,
)
_MAY_NOT = re.compile(
    r"permission|privilege|forbidden|not allowed|access (denied|prohibited)|not authorized to|not the owner",
    re.IGNORECASE,
)
_CHANGES = re.compile(r"^(set|update|upsert|save|edit|change|replace|import|sync|restore|reset|configure)(_|$)")
_LOG_IN = re.compile(r"log-?_?in|sign-?_?in|(access[-_])?token", re.IGNORECASE)
_OWN_STATUS = frozenset("code status status_code http_status".split())


@api.check(
    "API009",
    "status-code-semantics",
    title="Status code that says something else",
    impact=LOW,
    fix="201 for what was created, 204 for nothing to say, 404 for what is not there, 401 for who, 403 for may not.",
)
def status_code_semantics(project: Project) -> Found:
    """Clients, caches and generated code act on the status. The defaults (200 for POST, `200 null` for None) are
    often wrong.

    Source: RFC 9110, HTTP Semantics, https://www.rfc-editor.org/rfc/rfc9110#section-15 ; FastAPI, Response Status Code,
    https://fastapi.tiangolo.com/tutorial/response-status-code/

    Bad:
        # app/models.py
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
        # app/api.py
        from typing import Annotated
        from fastapi import Depends, FastAPI, HTTPException
        from pydantic import BaseModel
        from sqlalchemy.orm import Session
        from app.models import Item

        class ItemIn(BaseModel):
            name: str

        app = FastAPI()

        def get_db() -> Session: ...

        DB = Annotated[Session, Depends(get_db)]

        @app.post("/items")
        def create_item(item: ItemIn, db: DB) -> ItemIn:  # API009
            db.add(Item(name=item.name))
            db.commit()
            return item

        @app.delete("/items/{item_id}")
        def delete_item(item_id: int, db: DB):  # API009
            db.delete(db.get(Item, item_id))
            db.commit()

        @app.delete("/baskets/{basket_id}", status_code=204)
        def delete_basket(basket_id: int):
            return {"deleted": basket_id}  # API009

        @app.get("/items/{item_id}")
        def read_item(item_id: int, db: DB) -> ItemIn | None:
            item = db.get(Item, item_id)
            if item is None:
                return None  # API009
            return ItemIn(name=item.name)

        @app.get("/mine")
        def read_mine(token: str) -> int:
            if not token:
                raise HTTPException(403, "Invalid authentication token")  # API009
            if token == "done":
                raise HTTPException(200, "nothing to do")  # API009
            return 1
    Good:
        from typing import Annotated
        from fastapi import Depends, FastAPI, HTTPException
        from pydantic import BaseModel
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)

        class ItemIn(BaseModel):
            name: str

        app = FastAPI()

        def get_db() -> Session: ...

        DB = Annotated[Session, Depends(get_db)]

        @app.post("/items", status_code=201)
        def create_item(item: ItemIn, db: DB) -> ItemIn:
            db.add(Item())
            db.commit()
            return item

        @app.delete("/items/{item_id}", status_code=204)
        def delete_item(item_id: int, db: DB) -> None:
            db.delete(db.get(Item, item_id))

        @app.get("/items/{item_id}")
        def read_item(item_id: int, db: DB) -> ItemIn:
            if db.get(Item, item_id) is None:
                raise HTTPException(404, "No such item")
            return ItemIn(name="x")

        @app.get("/mine")
        def read_mine(token: str) -> int:
            raise HTTPException(401, "Invalid authentication token", headers={"WWW-Authenticate": "Bearer"})
    Not this:
        from typing import Annotated
        from fastapi import Depends, FastAPI, HTTPException, Response
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)

        class LoginAttempt(Base):
            __tablename__ = "login_attempts"
            id: Mapped[int] = mapped_column(primary_key=True)

        app = FastAPI()

        def get_db() -> Session: ...

        DB = Annotated[Session, Depends(get_db)]

        @app.post("/login")
        def login(db: DB) -> str:
            db.add(LoginAttempt())
            return "token"

        @app.post("/items/{item_id}/publish")
        def publish(item_id: int, db: DB) -> int:
            db.add(Item())
            return 1

        @app.delete("/items/{item_id}")
        def delete_item(item_id: int) -> str:
            return "deleted"

        @app.delete("/raw/{item_id}", status_code=204)
        def delete_raw(item_id: int):
            return Response(status_code=204)

        @app.get("/items/{item_id}/owner")
        def read_owner(item_id: int) -> str | None:
            return None

        @app.get("/admin")
        def admin(allowed: bool) -> int:
            if not allowed:
                raise HTTPException(403, "This token lacks the permission to read reports")
            return 1
    """
    yield from _aggregate(
        _created, project, "create rows and answer 200, not 201", "creates a row and answers 200, not 201"
    )
    yield from _aggregate(
        _deleted,
        project,
        "return nothing and answer `200 null`, not 204",
        "returns nothing and answers `200 null`, not 204",
    )
    yield from _aggregate(
        _null,
        project,
        "answer an unknown id with `200 null`, not 404",
        "answers an unknown id with `200 null`, not 404",
    )
    yield from _dropped_bodies(project)
    yield from _raised(project)
    yield from _constant_handlers(project)
    yield from _unknown_at_login(project)


def _aggregate(
    rule: Callable[[Handler, Project], Place | None], project: Project, many: str, one: str
) -> Iterator[Hit]:
    """One Low signal for all handlers that break a rule."""
    found = [(handler, place) for handler in handlers(project) if (place := rule(handler, project)) is not None]
    if found:
        (first, place), *more = found
        message = f"{first.label} {one}" if not more else f"{len(found)} routes {many} ({first.label} is the first)"
        yield Hit(place, message, places=tuple(p for _, p in more))


def _created(handler: Handler, project: Project) -> Place | None:
    """A POST to the collection of a model that adds a row of it."""
    route = handler.route
    if route.methods != ("POST",) or route.status_code != 200 or route.options.get("status_code") is not None:
        return None
    if _CHANGES.match(handler.function.name) or any(
        a.attr == "status_code" and isinstance(a.ctx, ast.Store) for a in handler.function.all(ast.Attribute)
    ):
        return None
    named = [s for s in segments(route.path) if not PATH_NAME.search(s)]
    last = segments(route.path)[-1:]
    if not named or not last or PATH_NAME.search(last[0]):
        return None
    collection = _singular(re.sub(r"[^a-z]", "", last[0].lower()))
    for write in writes(handler.function, project):
        if write.kind == "create" and write.model is not None:
            model = _singular(re.sub(r"(model|table|orm|entity|db)$", "", write.model.name.lower()))
            if model == collection:
                return handler.function.place()
    return None


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _deleted(handler: Handler, project: Project) -> Place | None:
    function, route = handler.function, handler.route
    if (
        route.methods != ("DELETE",)
        or route.status_code != 200
        or function.is_generator
        or route.options.get("status_code") is not None
    ):
        return None
    if project.usage.returned(function) or route.response_class is not None or project.calls.is_stub(function):
        return None
    answer = project.usage.answer(route)
    return function.place() if not answer.said or answer.nothing or answer.shape.dotted == NONE else None


def _null(handler: Handler, project: Project) -> Place | None:
    """A GET for one thing by its id, typed `X | None`, with an explicit `return None`."""
    function, route = handler.function, handler.route
    last = segments(route.path)[-1:]
    if "GET" not in route.methods or not last or not PATH_NAME.fullmatch(last[0]):
        return None
    answer = project.usage.answer(route)
    if not answer.said or not answer.shape.optional or answer.is_response or not answer.shape.options:
        return None
    nothing = [n for n in function.all(ast.Return) if isinstance(n.value, ast.Constant) and n.value.value is None]
    return function.place(nothing[0]) if nothing else None


def _dropped_bodies(project: Project) -> Iterator[Hit]:
    for handler in handlers(project):
        if handler.route.status_code not in (204, 304):
            continue
        for expr in project.usage.returned(handler.function):
            if project.usage.is_response_value(expr, handler.function) is False:
                message = (
                    f"{handler.label} answers {handler.route.status_code}, so the returned body is dropped silently"
                )
                yield Hit(handler.function.place(expr), message, impact=MEDIUM)


def _raised(project: Project) -> Iterator[Hit]:
    who: list[Place] = []
    may: list[Place] = []
    for module in project.app_modules:
        for function in module.functions:
            for error in project.http_errors.of(function):
                if error.status is not None and 200 <= error.status < 300:
                    yield Hit(
                        error.place(),
                        f"HTTPException with status {error.status}: an error that says it is a success",
                        impact=MEDIUM,
                    )
                elif error.status == 403 and _about_who(error):
                    who.append(error.place())
                elif error.status == 401 and _MAY_NOT.search(error.text) and not _WHO.search(error.text):
                    may.append(error.place())
    yield from _counted(who, "403 for an unknown caller: 401 with WWW-Authenticate tells clients to log in again")
    yield from _counted(may, "401 for a known caller who may not: 403, or clients log in again for nothing")


def _counted(places: list[Place], text: str) -> Iterator[Hit]:
    if places:
        more = f" ({len(places)} places)" if len(places) > 1 else ""
        yield Hit(places[0], f"{text}{more}", places=tuple(places[1:]))


def _about_who(error: HttpError) -> bool:
    return bool(_WHO.search(error.text) and not _MAY_NOT.search(error.text))


def _unknown_at_login(project: Project) -> Iterator[Hit]:
    """Log-ins that answer a wrong name or password with 404, raised anywhere on the way."""
    found: dict[Place, Hit] = {}
    for handler in handlers(project):
        last = segments(handler.route.path)[-1:]
        if "POST" not in handler.route.methods or not last or not _LOG_IN.fullmatch(last[0]):
            continue
        for escape in project.exceptions.escapes(handler.function):
            if project.answered.status(escape.raised) == 404 and project.usage.takes_password(handler.route):
                place = escape.raised.place()
                message = (
                    f"{handler.label} answers a failed log-in with 404: 401, alike for name and password, is meant"
                )
                found.setdefault(place, Hit(place, message, escape.trace()[:-1], certainty=escape.certainty))
    yield from found.values()


def _constant_handlers(project: Project) -> Iterator[Hit]:
    """Exception handlers that send one status for exceptions that carry their own."""
    for app in project.route_map.apps:
        for handler in app.exception_handlers:
            kind, made_by = plain(handler.exception), plain(handler.function)
            if isinstance(kind, Cls) and isinstance(made_by, Func):
                yield from _constant_handler(kind.scope, made_by.function, project)


def _constant_handler(kind: Class, function: Function, project: Project) -> Iterator[Hit]:
    if len(function.params) < 2 or any(b.dotted in HTTP_ERRORS for b in project.names.mro(kind)):
        return
    name = function.params[1][0].arg
    read = {n.attr for n in function.all(ast.Attribute) if isinstance(n.value, ast.Name) and n.value.id == name}
    own = sorted(a for a in read & _OWN_STATUS if _is_status(kind, a, project))
    for call in function.all(ast.Call):
        status = next((k.value for k in call.keywords if k.arg == "status_code"), None)
        if own and isinstance(status, ast.Constant) and isinstance(status.value, int):
            message = f"Every {kind.name} is answered with {status.value}; its own `{own[0]}` only goes into the body"
            yield Hit(function.place(status), message, (kind.place(label=f"carries {own[0]}"),), impact=MEDIUM)


def _is_status(kind: Class, attribute: str, project: Project) -> bool:
    """Whether an attribute of an exception class holds HTTP status codes, by its default or in its body."""
    init = project.names.class_member(kind, "__init__")
    param = init.param(attribute) if isinstance(init, Function) else None
    given = [param[1]] if param else []
    given += [b.value for b in kind.bindings.get(attribute, [])]
    return any(isinstance(g, ast.Constant) and type(g.value) is int and 400 <= g.value < 600 for g in given)
