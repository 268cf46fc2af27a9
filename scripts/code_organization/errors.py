"""Exceptions that nobody answers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from code_organization.dimension import organization
from project import Class, Function, Project
from project.language.scopes import subtree
from project.place import Place
from project.serving.exceptions import BASE_EXCEPTION, EXCEPTION, Escape, nodes_of, try_of

BROAD = {EXCEPTION, BASE_EXCEPTION}


# Names and texts that say "this program or its configuration is wrong": a 500 is the right answer.
_OWN_FAULT = re.compile(r"Unreachable|Internal|Assertion|Invariant|Bug|ShouldNot|NeverHappen|Config")
_NEVER = re.compile(
    r"(should|must|can) ?(not|n't|never) (have )?(happen|occur|be reached)|unreachable|this is a bug", re.I
)


@organization.check(
    "ORG010",
    "exception-strategy",
    title="Exception without an answer",
    impact=MEDIUM,
    anti_pattern=7,
    fix="Register one exception handler for a base class of domain errors, and raise those.",
)
def exception_strategy(project: Project) -> Found:
    """An exception that no handler is registered for is a 500 without a body the client understands, and an alarm.

    Source: FastAPI, Handling Errors, https://fastapi.tiangolo.com/tutorial/handling-errors/#install-custom-exception-handlers

    Bad:
        # main.py
        from fastapi import FastAPI
        from domain import charge

        app = FastAPI()

        @app.post("/charge")
        def create_charge(amount: int) -> int:
            return charge(amount)
        # domain.py
        class LimitReached(Exception):
            pass

        def charge(amount: int) -> int:
            if amount > 100:
                raise LimitReached(amount)  # ORG010
            return amount
    Good:
        # main.py
        from fastapi import FastAPI, Request
        from fastapi.responses import JSONResponse
        from domain import DomainError, charge

        app = FastAPI()

        @app.exception_handler(DomainError)
        def on_domain_error(request: Request, error: DomainError) -> JSONResponse:
            return JSONResponse({"detail": str(error)}, 409)

        @app.post("/charge")
        def create_charge(amount: int) -> int:
            return charge(amount)
        # domain.py
        class DomainError(Exception):
            pass

        class LimitReached(DomainError):
            pass

        def charge(amount: int) -> int:
            if amount > 100:
                raise LimitReached(amount)
            return amount
    Not this:
        from fastapi import FastAPI, HTTPException, Request

        app = FastAPI()

        class LimitReached(Exception):
            pass

        class Denied(HTTPException):
            pass

        def charge(amount: int) -> int:
            if amount < 0:
                raise Denied(403)
            if amount > 100:
                raise LimitReached(amount)
            return amount

        @app.middleware("http")
        async def refuse(request: Request, call_next):
            try:
                if "x-no" in request.headers:
                    raise HTTPException(403)
            except HTTPException:
                pass
            return await call_next(request)

        @app.post("/charge")
        def create_charge(amount: int) -> int:
            try:
                return charge(amount)
            except LimitReached as error:
                raise HTTPException(409, "too much") from error
    """
    yield from _unanswered(project)
    yield from _in_middleware(project)
    yield from _registered_late(project)
    yield from _blamed_on_client(project)


def _blamed_on_client(project: Project) -> Iterator[Hit]:
    """Broad clauses that answer a status of the client's without a log entry: programming errors become 4xx too."""
    found: list[Place] = []
    for function in project.requests.functions:
        statuses = {id(e.node): e.status for e in project.http_errors.of(function)}
        for clause in function.all(ast.ExceptHandler):
            kinds = {kind.dotted for kind in project.exceptions.caught_kinds(clause, function) if kind is not None}
            nodes = list(nodes_of(clause))
            raised = [statuses.get(id(n)) for n in nodes if isinstance(n, ast.Raise)]
            called = [
                n for n in nodes if isinstance(n, ast.Call) and not isinstance(n.__dict__.get("parent"), ast.Raise)
            ]
            if kinds & BROAD and len(clause.body) == 1 and raised and not any(map(_says, called)):
                client = raised[0] is not None and 400 <= raised[0] < 500
                if client and len(try_of(clause).body) > 2 and not _loses_http(project, clause, function):
                    found.append(function.place(clause))
    if found:
        found.sort()
        more = f", and at {len(found) - 1} more places" if len(found) > 1 else ""
        message = f"every failure, programming errors too, is answered as the client's fault and not logged{more}"
        yield Hit(found[0], message, impact=LOW, places=tuple(found[1:]))


def _loses_http(project: Project, clause: ast.ExceptHandler, function: Function) -> bool:
    """Whether HTTP errors end in the clause as well: that is another signal."""
    return any(project.exceptions.is_http(e.raised.kind) for e in project.exceptions.ending_in(clause, function))


def _says(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in ("debug", "info", "warning", "error", "exception", "critical", "print", "capture_exception")


Leaving = list[tuple[str, Escape]]  # the routes an exception class leaves, each with a way


def _unanswered(project: Project) -> Iterator[Hit]:
    """Exception classes of the project that leave path operations, those of one cause together, and
    NotImplementedError."""
    found: dict[str, Leaving] = {}
    for route in project.routes:
        for escape in project.exceptions.unanswered(route):
            if _is_own_fault(escape):
                continue
            label = f"{'WS' if route.websocket else '/'.join(route.methods)} {route.path}"
            found.setdefault(escape.raised.kind.dotted, []).append((label, escape))
    causes: dict[object, list[Leaving]] = {}
    for leaving in found.values():
        kind = leaving[0][1].raised.kind
        if isinstance(kind, Class):
            causes.setdefault(_topmost(project, kind).module, []).append(leaving)
    yield from map(_of_one_cause, causes.values())
    for label, escape in found.get("builtins.NotImplementedError", [])[:1]:
        message = f"NotImplementedError raised for what is not known here leaves {label} as a 500"
        yield Hit(escape.raised.place(), message, escape.trace(), LOW, escape.certainty)


def _is_own_fault(escape: Escape) -> bool:
    kind, given = escape.raised.kind, escape.raised.node.exc
    texts = (n.value for n in subtree(given) if isinstance(n, ast.Constant)) if given is not None else ()
    named = isinstance(kind, Class) and _OWN_FAULT.search(kind.name) is not None
    return named or any(isinstance(t, str) and _NEVER.search(t) for t in texts)


def _topmost(project: Project, kind: Class) -> Class:
    """The class furthest up that the project defines: what one handler could be registered for."""
    return [base for base in project.names.mro(kind) if isinstance(base, Class)][-1]


def _of_one_cause(group: list[Leaving]) -> Hit:
    """Exceptions of one family, or of one module that has no base class for them."""
    group = sorted(group, key=lambda leaving: -len(leaving))
    label, escape = group[0][0]
    routes = sorted({label for leaving in group for label, _ in leaving} - {label})
    more = f" and {len(routes)} more route{'s' if len(routes) > 1 else ''}" if routes else ""
    names = [leaving[0][1].raised.kind.dotted.rsplit(".", 1)[-1] for leaving in group]
    named = " and ".join(names) if len(names) < 3 else f"{', '.join(names[:2])} and {len(names) - 2} more exceptions"
    verb, them = ("leaves", "it") if len(names) == 1 else ("leave", "them")
    message = f"{named} {verb} {label}{more} as a 500: no handler is registered for {them}"
    others = [leaving[0][1].raised.place() for leaving in group[1:]]
    certain = any(e.certainty == "resolved" for leaving in group for _, e in leaving[:1])
    return Hit(
        escape.raised.place(),
        message,
        escape.trace(),
        certainty="resolved" if certain else escape.certainty,
        places=tuple(others),
    )


def _in_middleware(project: Project) -> Iterator[Hit]:
    for root in project.roots:
        if root.kind == "middleware":
            for raised in project.exceptions.raised(root.function):
                stopped = project.exceptions.stopped(raised.node, raised.kind, root.function)
                if project.exceptions.is_http(raised.kind) and not stopped:
                    message = (
                        "HTTPException raised in middleware is a 500: exception handlers run inside the middleware"
                    )
                    yield Hit(raised.place(), message, (root.place(),))


def _registered_late(project: Project) -> Iterator[Hit]:
    """Handlers and middleware added when the application already runs."""
    for root in project.roots:
        if root.kind in ("start-up", "handler"):
            for site in project.calls.sites(root.function):
                called = {name.rsplit(".", 1)[-1] for name in site.names if name.startswith("fastapi.FastAPI.")}
                if "add_exception_handler" in called:
                    message = (
                        "a handler registered after the start has no effect: the middleware stack is built by then"
                    )
                    yield Hit(site.place(), message, (root.place(),))
                elif "add_middleware" in called:
                    yield Hit(site.place(), "add_middleware after the start raises RuntimeError", (root.place(),), HIGH)
