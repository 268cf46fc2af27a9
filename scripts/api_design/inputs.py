"""What routes take in: how parameters are declared, GET routes that change something, data in the query."""

from __future__ import annotations

import re

from api_design.dimension import api
from api_design.effects import MAILS, STOPS, Write, acts, writes
from api_design.routes import AUTH_WORDS, Handler, handlers, registration, segments
from api_design.wording import counted, listed
from check import LOW, MEDIUM, Found, Hit
from project import Place, Project
from project.routing.parameters import Parameter
from project.routing.usage import BODY_KINDS

FEW = 5
_PAYLOAD = re.compile(
    r"message|text|content|body|comment|description|password|email|prompt|question|note|title|payload|data$",
    re.IGNORECASE,
)
_ACTING = (
    (STOPS, re.compile(r"(^|_)(restart|shut_?down|reboot|terminate|kill|stop)(_|$)")),
    (MAILS, re.compile(r"(^|_)(send|resend|test)_?(\w+_)?e?mails?(_|$)")),
)
_CHANGING = re.compile(
    r"^(delete|remove|uninstall|revoke|purge|clear|reset|update|create|add|insert|set|enable|disable|toggle|activate|deactivate"
    r"|approve|reject|cancel|archive|restore|publish|rename|move|assign|mark|save|store|edit|regenerate|recalculate"
    r"|recompute|rebuild|trigger|sync|retry|rotate)([-_A-Z]|$)"
)


@api.check(
    "API019",
    "depends-not-annotated",
    title="Parameters declared by default values",
    impact=LOW,
    fix="Write SessionDep = Annotated[Session, Depends(get_session)] once, and use the alias.",
)
def depends_not_annotated(project: Project) -> Found:
    """`= Depends(...)` and `= Query(...)` as default must be repeated in each signature, and a direct call of the
    function
    gets the marker object as value.

    Source: FastAPI, Dependencies - Share Annotated dependencies, https://fastapi.tiangolo.com/tutorial/dependencies/
    ; ruff FAST002

    Bad:
        from fastapi import Depends, FastAPI, Query

        app = FastAPI()

        def get_session() -> int:
            return 1

        @app.get("/items")
        def list_items(session: int = Depends(get_session), limit: int = Query(10, le=100)) -> int:  # API019
            return limit
    Good:
        from typing import Annotated

        from fastapi import Depends, FastAPI, Query

        app = FastAPI()

        def get_session() -> int:
            return 1

        SessionDep = Annotated[int, Depends(get_session)]

        @app.get("/items")
        def list_items(session: SessionDep, limit: Annotated[int, Query(le=100)] = 10) -> int:
            return limit
    Not this:
        # requirements.txt
        fastapi==0.94.0
        # main.py
        from fastapi import Depends, FastAPI

        app = FastAPI()

        def get_session() -> int:
            return 1

        @app.get("/items")
        def list_items(session: int = Depends(get_session)) -> int:
            return session
    """
    if project.stack.before("fastapi", "0.95"):
        return
    found: dict[tuple[str, int, str], Parameter] = {}
    annotated: set[tuple[str, int, str]] = set()
    for route in project.routes:
        for parameter in project.usage.parameters(route):
            key = (parameter.place.path, parameter.place.line, parameter.name)
            if parameter.marker and parameter.annotated:
                annotated.add(key)
            elif parameter.marker and parameter.function.module.kind == "app":
                found.setdefault(key, parameter)
    if found:
        lines = {(p.place.path, p.place.line) for p in found.values()}
        places = list(
            {p.place.path: p.place for p in sorted(found.values(), key=lambda p: p.place, reverse=True)}.values()
        )[::-1][:FEW]
        beside = f", beside {len(annotated)} in Annotated" if annotated else ""
        message = (
            f"{counted(len(found), 'parameter')} on {counted(len(lines), 'line')} declared by default "
            f"value, not in Annotated{beside}"
        )
        yield Hit(places[0], message, places=tuple(places[1:]))


@api.check(
    "API021",
    "get-with-body-or-side-effect",
    title="GET that takes a body or changes data",
    impact=MEDIUM,
    fix="Use POST, PUT, PATCH or DELETE for what changes; take filters as Annotated[Filter, Query()].",
)
def get_with_body_or_side_effect(project: Project) -> Found:
    """Browsers, crawlers and link previews follow GET links and repeat them; caches answer them. Proxies and clients
    drop
    the body of a GET.

    Source: RFC 9110, Safe Methods, https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1 ; FastAPI, Query Parameter
    Models,
    https://fastapi.tiangolo.com/tutorial/query-param-models/

    Bad:
        import smtplib
        import threading
        from email.message import EmailMessage
        from typing import Annotated

        from fastapi import Depends, FastAPI
        from pydantic import BaseModel
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)

        class Filter(BaseModel):
            name: str

        app = FastAPI()

        def get_db() -> Session: ...

        def remove(db: Session, item_id: int) -> None:
            db.delete(db.get(Item, item_id))

        @app.get("/items")
        def list_items(filter: Filter) -> int:  # API021
            return 1

        stopping = threading.Event()

        @app.get("/admin/restart")
        def restart() -> int:  # API021
            stopping.set()
            return 1

        @app.get("/admin/test-mail")
        def test_mail() -> int:  # API021
            with smtplib.SMTP("mail.test", timeout=5) as server:
                server.send_message(EmailMessage())
            return 1

        @app.get("/items/{item_id}/remove")
        def remove_item(item_id: int, db: Annotated[Session, Depends(get_db)]) -> int:  # API021
            remove(db, item_id)
            return 1
    Good:
        from typing import Annotated

        from fastapi import FastAPI, Query
        from pydantic import BaseModel

        class Filter(BaseModel):
            name: str

        app = FastAPI()

        @app.get("/items")
        def list_items(filter: Annotated[Filter, Query()]) -> int:
            return 1

        @app.post("/items/search")
        def search_items(filter: Filter) -> int:
            return 1
    Not this:
        import threading
        from typing import Annotated

        from fastapi import Depends, FastAPI
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class Visit(Base):
            __tablename__ = "visits"
            id: Mapped[int] = mapped_column(primary_key=True)

        stopping = threading.Event()
        app = FastAPI()

        def get_db() -> Session: ...

        DB = Annotated[Session, Depends(get_db)]

        @app.get("/pages/{page_id}")
        def read_page(page_id: int, db: DB) -> int:
            db.add(Visit())
            db.commit()
            return page_id

        @app.get("/jobs/stop-times")
        def stop_times() -> int:
            return 1

        @app.get("/admin/restart/needed")
        def restart_needed() -> bool:
            return stopping.is_set()

        @app.get("/auth/callback")
        def create_session(code: str, db: DB) -> int:
            db.add(Visit())
            return 1

        @app.get("/settings")
        def settings(names: dict[str, str] | None = None) -> int:
            return 1
    """
    for handler in handlers(project):
        if not set(handler.route.methods) <= {"GET", "HEAD"}:
            continue
        bodies = [p for p in project.usage.parameters(handler.route) if p.kind == "body" and p.shape.cls is not None]
        if bodies:
            message = (
                f"{handler.label} takes a request body ({listed([p.name for p in bodies])}), which clients "
                f"and proxies drop"
            )
            yield Hit(handler.function.place(), message)
        elif write := _change(handler, project):
            what = f" {write.model.name} rows" if write.model is not None else " stored data"
            message = f"{handler.label} {'removes' if write.kind == 'remove' else 'changes'}{what} on GET"
            yield Hit(handler.function.place(), message, (registration(handler.route), *write.way))
        elif act := _act(handler, project):
            done, way = act
            yield Hit(handler.function.place(), f"{handler.label} {done} on GET", (registration(handler.route), *way))


def _act(handler: Handler, project: Project) -> tuple[str, tuple[Place, ...]] | None:
    """What a handler does, where its name or path says so too."""
    last = next(reversed(segments(handler.route.path)), "").replace("-", "_")
    said = {what for name in (handler.function.name, last) for what, words in _ACTING if words.search(name)}
    return next((act for act in acts(handler.function, project) if act[0] in said), None) if said else None


def _change(handler: Handler, project: Project) -> Write | None:
    """A write of a handler whose name or path says that it changes something."""
    last = next(reversed(segments(handler.route.path)), "")
    words = {w.lower() for part in segments(handler.route.path) for w in re.split(r"[-_]", part)}
    if not (_CHANGING.match(handler.function.name) or _CHANGING.match(last)) or words & AUTH_WORDS - {"auth"}:
        return None
    return next(writes(handler.function, project), None)


@api.check(
    "API026",
    "payload-in-query",
    title="Payload of a write in the query string",
    impact=LOW,
    anti_pattern=4,
    fix="Take the data as a body model; keep the query for options of the request.",
)
def payload_in_query(project: Project) -> Found:
    """A plain `str` parameter of a POST without body is a query parameter: the data stands in access logs and browser
    histories, is limited by the length of a URL, and has no model.

    Source: FastAPI, Request Body - request body + path + query parameters, https://fastapi.tiangolo.com/tutorial/body/

    Bad:
        from fastapi import FastAPI

        app = FastAPI()

        @app.post("/messages")
        def send(text: str, sender: str) -> int:  # API026
            return 1
    Good:
        from fastapi import FastAPI
        from pydantic import BaseModel

        class MessageIn(BaseModel):
            text: str

        app = FastAPI()

        @app.post("/messages")
        def send(message: MessageIn) -> int:
            return 1
    Not this:
        from typing import Annotated

        from fastapi import FastAPI, Form, Query, UploadFile

        app = FastAPI()

        @app.post("/login")
        def login(name: Annotated[str, Form()]) -> int:
            return 1

        @app.post("/files")
        def upload(file: UploadFile, folder: str) -> int:
            return 1

        @app.post("/jobs/{job_id}/restart")
        def restart(job_id: int, reason: str = "") -> int:
            return 1

        @app.post("/explicit")
        def explicit(token: Annotated[str, Query()]) -> int:
            return 1

        @app.get("/search")
        def search(text: str) -> int:
            return 1
    """
    found: list[Handler] = []
    for handler in handlers(project):
        if handler.route.methods not in (("POST",), ("PUT",)) or any(
            p.kind in BODY_KINDS for p in project.usage.parameters(handler.route)
        ):
            continue
        own = [
            p
            for p in project.usage.own_parameters(handler.route)
            if p.kind == "query" and p.default is None and not p.marker
        ]
        if any(p.shape.dotted == "builtins.str" and _PAYLOAD.search(p.name) for p in own):
            found.append(handler)
    if found:
        first, *more = found
        message = f"{first.label} takes its data from the query string"
        if more:
            message = (
                f"{len(found)} routes that write take their data from the query string ({first.label} is the first)"
            )
        yield Hit(first.function.place(), message, places=tuple(h.function.place(label=h.label) for h in more))
