"""Objects that a route loads by an id its client chose: the id is followed from the handler to the queries."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from project import Function, Project
from project.data.models import Model
from project.data.queries import Execution
from project.language.arguments import given_for
from project.language.scopes import Scope
from project.place import Place
from project.routing.parameters import path_names
from project.routing.routes import Route
from security.callers import place_of
from security.openness import models_of

MAX_HOPS = 4
ID = re.compile(r"(^|_)(id|uuid|pk|guid|key|slug|number)$|[a-z](Id|Uuid)$")
OWNER = re.compile(
    r"^(user|owner|author|creator|customer|client|account|tenant|org|organi[sz]ation|workspace|team|company|patient|member|"
    r"profile|household)_?(id|uuid|pk|name)?$|^(created|owned|uploaded|submitted)_by(_user)?(_id)?$|^(user|owner)s?$",
    re.IGNORECASE,
)
GETS = re.compile(r"^(get|find|fetch|load|read|by_?(id|pk)|one)(_|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Load:
    """An object got, changed or deleted by the tracked id."""

    place: Place
    model: Model
    effect: str
    trace: tuple[Place, ...]


@dataclass(slots=True)
class Followed:
    """What happens to the id of one route: the loads, and every function it passes through."""

    loads: list[Load] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)


def followed(project: Project, route: Route, handler: bool = True) -> Followed:
    """What happens to the ids that come with a request; `handler` False leaves the handler itself out."""
    found = Followed()
    for function in (route.function, *(f for f in route.dependency_functions if isinstance(f, Function))):
        if function is None or (function is route.function and not handler):
            continue
        tracked = ids(project, function, route)
        if tracked:
            trace = (place_of(route),) if function is route.function else (place_of(route), function.place())
            _follow(project, function, tracked, trace, found, frozenset())
    return found


def ids(project: Project, function: Function, route: Route) -> frozenset[str]:
    """Names that hold an id the client chose: parameters of the path, fields of the body (`body.item_id`)."""
    in_path: Collection[str] = path_names(route.path) if function is route.function else ()
    found: set[str] = set()
    for arg, _ in function.params:
        if arg.arg in in_path:
            found.add(arg.arg)
        elif arg.annotation is not None:
            classes = project.shapes.of(arg.annotation, function).classes()
            bodies = [c for c in classes if c in project.usage.bodies]
            found |= {f"{arg.arg}.{field}" for cls in bodies for field in project.schemas.fields_of(cls)}
    return frozenset(
        n for n in found if ID.search(n) and not OWNER.match(n.rpartition(".")[2]) and not n.endswith(".id")
    )


def _follow(
    project: Project,
    function: Function,
    names: frozenset[str],
    trace: tuple[Place, ...],
    into: Followed,
    seen: frozenset[Function],
) -> None:
    if function in seen or len(seen) > MAX_HOPS:
        return
    into.functions.append(function)
    names = names | _copies(function, names)
    for execution in project.queries.of(function):
        model = next((m for m in models_of(project, execution) if m is not None), None)
        if model is not None and _by_id(execution, model, names, function):
            into.loads.append(Load(execution.place(), model, execution.effect, trace))
    for site in project.calls.sites(function):
        if site.call is None:
            continue
        for target in site.targets[:2]:
            given = frozenset(n for arg, _ in target.params for n in _handed(arg.arg, site.call, target, names))
            model = _asked_of(project, site.call, function)
            if given and model is not None and GETS.search(target.name):
                into.loads.append(Load(site.place(), model, "", trace))
                into.functions.append(target)
            elif given and target.module.kind == "app":
                hop = site.place(f"calls {target.qualname}")
                _follow(project, target, given, (*trace, hop), into, seen | {function})


def _asked_of(project: Project, call: ast.Call, scope: Function) -> Model | None:
    """The model of `Item.find(session, key)`, a class method of the project's own."""
    if not isinstance(call.func, ast.Attribute):
        return None
    return project.models.of(project.names.resolve(call.func.value, scope))


def _handed(parameter: str, call: ast.Call, target: Function, names: frozenset[str]) -> Iterator[str]:
    """What holds the id inside a called function: the parameter, or the field of the body it is given."""
    given = given_for(parameter, call, target)
    if _is_one(given, names):
        yield parameter
    elif isinstance(given, ast.Name):
        yield from (f"{parameter}.{n.partition('.')[2]}" for n in names if n.startswith(f"{given.id}."))


def _copies(function: Function, names: frozenset[str]) -> frozenset[str]:
    """Names that hold the id as well (`key = UUID(item_id)`)."""
    found: set[str] = set()
    for name, bindings in function.bindings.items():
        values = [b.value for b in bindings if b.kind == "assign" and b.index is None]
        if len(bindings) == 1 and values:
            value = values[0]
            if isinstance(value, ast.Call) and len(value.args) == 1 and isinstance(value.func, ast.Name):
                value = value.args[0]
            if _is_one(value, names):
                found.add(name)
    return frozenset(found)


def _is_one(expr: ast.expr | None, names: frozenset[str]) -> bool:
    if isinstance(expr, ast.Call) and len(expr.args) == 1 and isinstance(expr.func, ast.Name):
        expr = expr.args[0]
    if isinstance(expr, ast.Attribute) and isinstance(expr.value, ast.Name):
        return f"{expr.value.id}.{expr.attr}" in names
    return isinstance(expr, ast.Name) and expr.id in names


def _by_id(execution: Execution, model: Model, names: frozenset[str], scope: Scope) -> bool:
    """Whether the primary key (or a column called id) is what the tracked name is compared with, and nothing else."""
    keys = {*model.primary_key, "id", "uuid", "pk"}
    call = execution.call
    if call is not None and execution.method in ("get", "get_one", "get_or_none", "find_one", "update", "delete"):
        if any(_is_one(a, names) for a in call.args) and execution.method in ("get", "get_one"):
            return True
        if any(k.arg in keys and _is_one(k.value, names) for k in call.keywords):
            return True
        if any(_compares(a, keys, names) for a in call.args):
            return True
    for statement in execution.statements:
        for built in statement.calls("where", "filter", "filter_by", "get", "find_one", "find"):
            if built.scope is scope:
                given = [*built.call.args, *(k.value for k in built.call.keywords if k.arg in keys)]
                if any(_compares(a, keys, names) or _is_one(a, names) for a in given):
                    return True
    return False


def _compares(expr: ast.expr, keys: set[str], names: frozenset[str]) -> bool:
    if not isinstance(expr, ast.Compare) or len(expr.ops) != 1 or not isinstance(expr.ops[0], ast.Eq):
        return False
    left, right = expr.left, expr.comparators[0]
    for column, value in ((left, right), (right, left)):
        if isinstance(column, ast.Attribute) and column.attr in keys and _is_one(value, names):
            return True
    return False
