"""What routes answer with: response types, responses that go around them, status codes in the wrong place."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable

from api_design.dimension import api
from api_design.routes import Handler, handlers, is_health_check
from api_design.wording import counted, listed
from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Function, Project
from project.data.models import Model
from project.language.shapes import ANY, MAPPINGS, NONE, SEQUENCES, Shape
from project.language.value_types import Instance
from project.routing.usage import JSON_RESPONSES

MANY_FILES = 8
_PLAIN = frozenset(
    "builtins.bool builtins.int builtins.float builtins.str builtins.bool() builtins.int() builtins.float() "
    "builtins.str() builtins.len() builtins.round() builtins.sum() builtins.str.join() builtins.str.format() "
    "time.time() uuid.uuid4() datetime.datetime.now() datetime.datetime.isoformat() os.getenv() "
    "datetime.datetime uuid.UUID".split()
)
_SHAPELESS = frozenset((ANY, "builtins.object"))


@api.check(
    "API001",
    "response-type-missing",
    title="Route without response type",
    impact=MEDIUM,
    anti_pattern=4,
    fix="State the response as return annotation or response_model: a model with just the fields clients may see.",
)
def response_type_missing(project: Project) -> Found:
    """Without a response type nothing filters what goes out, OpenAPI has no schema for it, and serialization takes the
    slow way. A bare `dict` documents nothing either.

    Source: FastAPI, Response Model - Return Type, https://fastapi.tiangolo.com/tutorial/response-model/

    Bad:
        # app/models.py
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            password_hash: Mapped[str]
        # app/api.py
        from typing import Annotated, Any
        from fastapi import Depends, FastAPI
        from sqlalchemy import select
        from sqlalchemy.orm import Session
        from app.models import User

        app = FastAPI()

        def get_db() -> Session: ...

        DB = Annotated[Session, Depends(get_db)]

        @app.get("/users/{user_id}")
        def read_user(user_id: int, db: DB):  # API001
            user = db.get(User, user_id)
            return user

        @app.get("/users")
        def list_users(db: DB) -> Any:  # API001
            return db.scalars(select(User)).all()

        @app.get("/stock")
        def read_stock(item: int):  # API001
            return {"item": item, "left": 3}

        @app.get("/prices")
        def read_prices(item: int) -> dict[str, int]:  # API001
            return {"item": item, "price": 7}
    Good:
        from fastapi import FastAPI
        from pydantic import BaseModel

        class UserPublic(BaseModel):
            id: int

        app = FastAPI()

        @app.get("/users/{user_id}")
        def read_user(user_id: int) -> UserPublic:
            return UserPublic(id=user_id)

        @app.get("/me", response_model=UserPublic)
        def read_me():
            return {"id": 1}
    Not this:
        from collections.abc import AsyncIterator
        from typing import Any
        from fastapi import FastAPI, Request, Response
        from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
        from fastapi.templating import Jinja2Templates
        from pydantic import BaseModel

        class Item(BaseModel):
            id: int

        app = FastAPI()
        templates = Jinja2Templates("templates")

        @app.get("/any", response_model=Item)
        def read_any() -> Any:
            return {"id": 1}

        @app.get("/by-name")
        def read_by_name() -> dict[str, Item]:
            return {"a": Item(id=1)}

        @app.get("/health", include_in_schema=False)
        def health():
            return {"ok": True}

        @app.delete("/items/{item_id}", status_code=204)
        def delete_item(item_id: int):
            return None

        @app.get("/export")
        def export():
            return StreamingResponse(iter([b"a"]))

        @app.get("/raw")
        def raw(flag: bool):
            if flag:
                return RedirectResponse("/any")
            return JSONResponse({"ok": True})

        @app.get("/page", response_class=HTMLResponse)
        def page():
            return "<p>"

        @app.get("/template")
        def template(request: Request):
            return templates.TemplateResponse(request, "page.html")

        @app.get("/stream")
        async def stream() -> AsyncIterator[Item]:
            yield Item(id=1)

        @app.post("/touch")
        def touch() -> None: ...
    """
    missing: dict[str, list[Handler]] = defaultdict(list)
    weak: list[Handler] = []
    spelled: list[Handler] = []
    for handler in handlers(project):
        kind = _contract(handler, project)
        if not kind:
            continue
        rows = project.usage.returned_models(handler.function)
        if rows and kind != "dict":
            yield _unfiltered(handler, rows)
        elif kind == "dict":
            weak.append(handler)
        elif all(_is_stated(e, handler.function, project) for e in project.usage.returned(handler.function)):
            spelled.append(handler)
        else:
            missing[handler.route.file].append(handler)
    if len(missing) > MANY_FILES:
        yield _missing_everywhere([h for found in missing.values() for h in found], len(missing))
    else:
        yield from map(_missing, missing.values())
    if spelled:
        message = f"{counted(len(spelled), 'route')} spell out a dict or return a schema that OpenAPI does not know"
        message = message.replace("1 route spell out a dict or return", "1 route spells out a dict or returns")
        yield _together(spelled, message, LOW)
    if weak:
        message = (
            f"{counted(len(weak), 'route')} declare a bare dict or list as response, which documents "
            f"and filters nothing"
        )
        yield _together(weak, message.replace("1 route declare", "1 route declares"), LOW)


def _contract(handler: Handler, project: Project) -> str:
    """missing, any or dict for a handler that returns data of no stated shape, else ""."""
    function, route = handler.function, handler.route
    if route.status_code in (204, 304) or not route.include_in_schema or function.is_generator:
        return ""
    if route.response_class is not None and route.response_class not in JSON_RESPONSES:
        return ""
    answer = project.usage.answer(route)
    if answer.nothing or answer.is_response:
        return ""
    weak = "missing" if not answer.said else _weakness(answer.shape)
    returned = project.usage.returned(function)
    if not weak or not returned or all(project.usage.is_response_value(e, function) for e in returned):
        return ""
    if weak != "dict" and not _gives_data(returned, function, project):
        return ""
    fixed = all(map(is_constant, returned))
    return "" if fixed and (weak != "dict" or is_health_check(route)) else weak


def _is_stated(expr: ast.expr, function: Function, project: Project) -> bool:
    """Whether the code says what goes out: values spelled out here or by the one function called, or a schema."""
    if _is_spelled_out(expr, function, project) or project.usage.is_response_value(expr, function):
        return True
    known = project.values.of(expr, function)
    if known and all(isinstance(v, Instance) and v.cls is not None and project.schemas.of(v.cls) for v in known):
        return True
    call = expr.value if isinstance(expr, ast.Await) else expr
    targets = project.calls.site(call, function).targets if isinstance(call, ast.Call) else ()
    given = [(e, target) for target in targets for e in project.usage.returned(target)]
    return bool(given) and all(_is_explicit(e, target, project) for e, target in given)


def _is_explicit(expr: ast.expr, function: Function, project: Project) -> bool:
    """A dict with fixed keys and no row of a table in it."""
    fixed = isinstance(expr, ast.Dict) and all(isinstance(k, ast.Constant) for k in expr.keys)
    return fixed and not any(project.usage.models_in(expr, function))


def _is_spelled_out(expr: ast.expr, function: Function, project: Project) -> bool:
    """Whether a returned value holds nothing but what the handler names itself: constants, texts, single fields."""
    if isinstance(expr, ast.Dict):
        return None not in expr.keys and all(_is_spelled_out(v, function, project) for v in expr.values)
    if isinstance(expr, (ast.List, ast.Tuple)):
        return all(_is_spelled_out(v, function, project) for v in expr.elts)
    if isinstance(expr, ast.IfExp):
        return all(_is_spelled_out(v, function, project) for v in (expr.body, expr.orelse))
    if isinstance(expr, (ast.Constant, ast.JoinedStr, ast.Compare)):
        return True
    if isinstance(expr, ast.Attribute):
        return isinstance(expr.value, ast.Name)
    if isinstance(expr, ast.Name) and (expr.id.isupper() or expr.id.startswith("__")):
        return True
    return _is_parameter(expr, function) or _is_plain(expr, function, project)


def _is_parameter(expr: ast.expr, function: Function) -> bool:
    return isinstance(expr, ast.Name) and any(arg.arg == expr.id for arg, _ in function.params)


def _is_plain(expr: ast.expr, function: Function, project: Project) -> bool:
    """Whether all that is known of a value says that it is a number, a text, a time or nothing."""
    known = project.values.of(expr, function)
    return bool(known) and all(isinstance(v, Instance) and v.dotted in _PLAIN for v in known)


def _weakness(shape: Shape) -> str:
    """any or dict when the type says nothing of what is in the response."""
    if shape.dotted in _SHAPELESS:
        return "any"
    options = shape.options
    return "dict" if options and all(_is_shapeless(o) for o in options) and shape.dotted != NONE else ""


def _is_shapeless(shape: Shape) -> bool:
    if shape.dotted in MAPPINGS:
        return not shape.args or _says_nothing(shape.args[-1])
    return shape.dotted in SEQUENCES and (
        not shape.args or _is_shapeless(shape.args[0]) or shape.args[0].dotted in _SHAPELESS
    )


def _says_nothing(value: Shape) -> bool:
    """Whether values of a mapping are plain: no model, dataclass or other class in them."""
    return all(
        s.head is not None and s.cls is None and s.dotted.startswith(("builtins.", "typing.", "collections."))
        for s in value.walk()
    )


def _gives_data(returned: Iterable[ast.expr], function: Function, project: Project) -> bool:
    """Whether some return is known to be data, not a Response that another function made."""
    return any(project.usage.is_response_value(e, function) is False for e in returned) or any(
        any(project.usage.models_in(e, function)) for e in returned
    )


def _unfiltered(handler: Handler, rows: list[Model]) -> Hit:
    names = listed([m.name for m in rows])
    message = (
        f"{handler.label} returns rows of {names} without a response model: every loaded column goes to the client"
    )
    return Hit(handler.function.place(), message, impact=HIGH)


def _missing_everywhere(found: list[Handler], files: int) -> Hit:
    message = (
        f"{len(found)} routes in {files} files state no response type ({found[0].label} is the first): nothing filters "
        f"or documents what they return"
    )
    return _together(found, message, MEDIUM)


def _missing(found: list[Handler]) -> Hit:
    first = found[0]
    if len(found) == 1:
        message = f"{first.label} states no response type: nothing filters or documents what it returns"
    else:
        message = (
            f"{len(found)} routes of this file state no response type ({first.label} is the first): nothing "
            f"filters or documents what they return"
        )
    return _together(found, message, MEDIUM)


def _together(found: list[Handler], message: str, impact: str) -> Hit:
    first, *more = found
    places = tuple(h.function.place(label=h.label) for h in more)
    return Hit(first.function.place(), message, impact=impact, places=places)


@api.check(
    "API002",
    "response-bypasses-model",
    title="Response that goes around the response model",
    impact=LOW,
    anti_pattern=4,
    fix="Return the data; set headers and status on an injected `response: Response` or in the decorator.",
)
def response_bypasses_model(project: Project) -> Found:
    """A returned Response is sent as it is: the declared model neither filters nor validates it.

    Source: FastAPI, Return a Response Directly, https://fastapi.tiangolo.com/advanced/response-directly/

    Bad:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from fastapi.responses import JSONResponse
        from pydantic import BaseModel
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)

        class UserPublic(BaseModel):
            id: int

        app = FastAPI()

        def get_db() -> Session: ...

        @app.get("/users/{user_id}", response_model=UserPublic)
        def read_user(user_id: int, db: Annotated[Session, Depends(get_db)]):
            user = db.get(User, user_id)
            return JSONResponse({"id": user.id, "name": user.name}, headers={"X-Total": "1"})  # API002
    Good:
        from fastapi import FastAPI, Response
        from pydantic import BaseModel

        class UserPublic(BaseModel):
            id: int

        app = FastAPI()

        @app.get("/users/{user_id}")
        def read_user(user_id: int, response: Response) -> UserPublic:
            response.headers["X-Total"] = "1"
            return UserPublic(id=user_id)
    Not this:
        from fastapi import FastAPI, Response
        from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
        from pydantic import BaseModel

        class UserPublic(BaseModel):
            id: int

        app = FastAPI()

        @app.get("/users/{user_id}", response_model=UserPublic)
        def read_user(user_id: int, fresh: bool, error: str):
            if fresh:
                return Response(status_code=304)
            if user_id == 1:
                return RedirectResponse("/users/2")
            if user_id == 2:
                return JSONResponse({"detail": "gone"})
            if user_id == 3:
                return JSONResponse({"detail": error}, status_code=404)
            user = UserPublic(id=user_id)
            return Response(user.model_dump_json(), media_type="application/json")

        @app.get("/raw")
        def raw(name: str) -> JSONResponse:
            return JSONResponse({"name": name})
    """
    for handler in handlers(project):
        answer = project.usage.answer(handler.route)
        if (
            not answer.said
            or answer.nothing
            or answer.is_response
            or not answer.shape.dotted
            or _weakness(answer.shape)
        ):
            continue
        around = [e for e in project.usage.returned(handler.function) if _bypasses(e, handler.function, project)]
        if around:
            first, *more = around
            what = handler.function.place(first)
            message = f"{handler.label} declares a response model, but this response goes around it unfiltered"
            yield Hit(what, message, places=tuple(handler.function.place(e) for e in more))


def _bypasses(expr: ast.expr, function: Function, project: Project) -> bool:
    """Whether a success response with computed JSON is made by hand from something that is no model."""
    if not isinstance(expr, ast.Call) or project.names.canonical(expr.func, function) not in JSON_RESPONSES:
        return False
    status = next(
        (k.value for k in expr.keywords if k.arg == "status_code"), expr.args[1] if len(expr.args) > 1 else None
    )
    if status is not None and not _is_success(status, function, project):
        return False
    content = expr.args[0] if expr.args else next((k.value for k in expr.keywords if k.arg == "content"), None)
    return content is not None and not is_constant(content) and not _from_model(content, function, project, 0)


def _is_success(status: ast.expr, function: Function, project: Project) -> bool:
    if isinstance(status, ast.Constant):
        return isinstance(status.value, int) and status.value < 300
    return "HTTP_2" in (project.names.canonical(status, function) or "")


def is_constant(content: ast.expr) -> bool:
    """Whether a payload is literal text, perhaps with words formatted into it."""
    plain = (ast.Constant, ast.Dict, ast.List, ast.Tuple, ast.JoinedStr, ast.FormattedValue)
    if isinstance(content, ast.Dict):
        return all(is_constant(v) for v in content.values)
    if isinstance(content, (ast.List, ast.Tuple)):
        return all(map(is_constant, content.elts))
    return isinstance(content, plain)


def _from_model(content: ast.expr, function: Function, project: Project, depth: int) -> bool:
    """Whether a payload is the dump of a Pydantic model, or of several."""
    if depth > 3:
        return False
    if isinstance(content, ast.Name):
        values = [b.value for b in function.bindings.get(content.id, []) if b.value is not None]
        return bool(values) and all(_from_model(v, function, project, depth + 1) for v in values)
    if isinstance(content, ast.Call):
        func = content.func
        if isinstance(func, ast.Attribute) and func.attr in ("model_dump", "model_dump_json", "dict", "json"):
            return True
        if (project.names.canonical(func, function) or "").endswith("jsonable_encoder") and content.args:
            return not any(project.usage.models_in(content.args[0], function))
    if isinstance(content, (ast.ListComp, ast.DictComp)):
        return _from_model(
            content.elt if isinstance(content, ast.ListComp) else content.value, function, project, depth + 1
        )
    return False
