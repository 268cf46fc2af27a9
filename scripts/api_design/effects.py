"""What a handler does to stored data, itself or through the functions it calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from project import Function, Place, Project
from project.data.models import Model
from project.language.calls import CallSite
from project.language.dataflow import reaching
from project.language.value_types import Instance

MAX_HOPS = 3
STOPS, MAILS = "stops or restarts the server", "sends mail"
_ACTS = (
    (
        frozenset(
            "multiprocessing.Event.set threading.Event.set asyncio.Event.set os.kill os._exit sys.exit os.execv "
            "os.execl os.execvp signal.raise_signal".split()
        ),
        STOPS,
    ),
    (
        frozenset(
            "smtplib.SMTP.sendmail smtplib.SMTP.send_message smtplib.SMTP_SSL.sendmail smtplib.SMTP_SSL.send_message "
            "aiosmtplib.send aiosmtplib.SMTP.send_message fastapi_mail.FastMail.send_message resend.Emails.send "
            "sendgrid.SendGridAPIClient.send".split()
        ),
        MAILS,
    ),
)
_CREATING = frozenset("add add_all create insert insert_one insert_many bulk_create bulk_save_objects".split())
_REMOVING = frozenset("delete db_delete delete_one delete_many remove".split())


Way = tuple[tuple[CallSite, Function], ...]


@dataclass(frozen=True, slots=True)
class Write:
    """A call that changes stored data: create, remove or change; `model` when it is known; `way` from the handler to
    it."""

    kind: str
    model: Model | None
    way: tuple[Place, ...]


def queries(function: Function, project: Project) -> bool:
    """Whether a function, or a project function it calls within a few calls, asks the database."""
    seen = {function}
    level = [function]
    for _ in range(MAX_HOPS + 2):
        if any(project.queries.of(current) for current in level):
            return True
        targets = (t for current in level for site in project.calls.sites(current) for t in site.targets)
        level = [t for t in dict.fromkeys(targets) if t not in seen]
        seen.update(level)
    return False


def writes(function: Function, project: Project) -> Iterator[Write]:
    """Writes of a function and of the project functions it calls, the nearest first, each function once."""
    for current, way in _called_from(function, project):
        yield from _direct(current, way, project)


def acts(function: Function, project: Project) -> Iterator[tuple[str, tuple[Place, ...]]]:
    """What a function, or one that it calls, does to the world outside of the data: in words, and the way to it."""
    for current, way in _called_from(function, project):
        for site in project.calls.sites(current):
            done = next((what for names, what in _ACTS if names.intersection(site.names)), "") if site.names else ""
            if done:
                yield done, (*_places(way), site.place())


def _called_from(function: Function, project: Project) -> Iterator[tuple[Function, Way]]:
    """A function and those that it calls within a few calls, each once, the nearest first, with the way there."""
    seen = {function}
    level: list[tuple[Function, Way]] = [(function, ())]
    for _ in range(MAX_HOPS + 1):
        yield from level
        inner: list[tuple[Function, Way]] = []
        for current, way in level:
            for site in project.calls.sites(current):
                for target in site.targets:
                    if target not in seen and target.module.kind == "app":
                        seen.add(target)
                        inner.append((target, (*way, (site, target))))
        level = inner


def _places(way: Way) -> Iterator[Place]:
    return (site.place(f"calls {target.qualname}") for site, target in way)


def _direct(function: Function, way: Way, project: Project) -> Iterator[Write]:
    for execution in project.queries.of(function):
        if execution.effect == "write":
            models = [m for m in (execution.model, *(s.model for s in execution.statements)) if m is not None]
            yield Write(
                _kind(execution.method, {s.kind for s in execution.statements}),
                models[0] if models else None,
                (*_places(way), execution.place()),
            )
    for site in project.calls.sites(function):
        method = project.queries.stored(site)
        if method in ("add", "add_all", "delete") and site.call is not None:
            kind = "remove" if method == "delete" else "create"
            yield Write(
                kind, _handed_model(site.call, function, project), (*_places(way), site.place(f"session.{method}"))
            )


def _kind(method: str, statements: set[str]) -> str:
    if method in _REMOVING or "delete" in statements:
        return "remove"
    return "create" if method in _CREATING or "insert" in statements else "change"


def _handed_model(call: ast.Call, function: Function, project: Project) -> Model | None:
    """The model of what is added or deleted."""
    for given in call.args[:1]:
        made = _made_by_class(given, function, project)
        if made is not None:
            return made
        for value in project.values.of(given, function):
            model = project.models.of(value.cls) if isinstance(value, Instance) else None
            if model is not None:
                return model
        found = [r.model for r in project.rows.of(given, function) if r.model is not None]
        if found:
            return found[0]
    return None


def _made_by_class(given: ast.expr, function: Function, project: Project) -> Model | None:
    """The model of `Item.model_validate(...)`, also through a variable."""
    if isinstance(given, ast.Name):
        values = [b.value for b in reaching(function, given.id, given) if b.kind == "assign" and b.index is None]
        given = values[0] if len(values) == 1 and values[0] is not None else given
    if (
        isinstance(given, ast.Call)
        and isinstance(given.func, ast.Attribute)
        and given.func.attr in ("model_validate", "parse_obj", "from_orm")
    ):
        return project.models.of(project.names.resolve(given.func.value, function))
    return None
