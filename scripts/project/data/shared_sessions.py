"""One database session used by several concurrent tasks or threads."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.data.statements import ASYNC_SESSIONS, is_session_class
from project.language.calls import OFFLOADING
from project.language.dataflow import reaching
from project.language.names import External
from project.language.scopes import COMPREHENSIONS, LOOPS, Class, Function, Scope, parent, parents, subtree
from project.language.value_types import Instance
from project.place import Place
from project.serving.concurrency import Member, Together

if TYPE_CHECKING:
    from project import Project

_SENDING = frozenset(
    "execute scalar scalars get get_one refresh stream stream_scalars exec merge commit flush rollback delete".split()
)


@dataclass(frozen=True, slots=True, eq=False)
class SharedSession:
    """A session that `users` (at least two, or one made once for each item) use at the same time."""

    together: Together
    session: str
    users: tuple[Place, ...]
    repeated: bool
    asynchronous: bool
    certainty: str


def shared_sessions(project: Project) -> Iterator[SharedSession]:
    """Every group of concurrent calls that share a session."""
    for together in project.concurrency.groups:
        users: dict[str, list[Member]] = {}
        kinds: dict[str, tuple[bool, str]] = {}
        for member in together.members:
            for key, asynchronous, certainty in _sessions_of(project, member, together.scope):
                if member not in users.setdefault(key, []):
                    users[key].append(member)
                    kinds[key] = (asynchronous, certainty)
        for key, members in users.items():
            repeated = any(m.repeated for m in members)
            if len(members) > 1 or repeated:
                places = tuple(together.scope.place(m.call, f"uses {key}") for m in members)
                yield SharedSession(together, key, places, repeated, *kinds[key])
    yield from _spread_over_threads(project)


def _spread_over_threads(project: Project) -> Iterator[SharedSession]:
    """`in_parallel([(load, (key, session)) for key in keys])`, by a function of the project that starts threads."""
    for module in project.app_modules:
        for scope in module.functions:
            made: list[ast.ListComp | ast.GeneratorExp] = [*scope.all(ast.ListComp), *scope.all(ast.GeneratorExp)]
            for listed in made:
                call, pair = parent(listed), listed.elt
                if not isinstance(call, ast.Call) or not isinstance(pair, ast.Tuple) or len(pair.elts) < 2:
                    continue
                if _starts_threads(project, call, scope) and project.calls.passed(pair.elts[0], scope):
                    yield from _in_pair(project, pair, Together(call, scope, ()))


def _in_pair(project: Project, pair: ast.Tuple, together: Together) -> Iterator[SharedSession]:
    given = pair.elts[1].elts if isinstance(pair.elts[1], ast.Tuple) else pair.elts[1:]
    uses = any(t in project.loops.querying for t in project.calls.passed(pair.elts[0], together.scope))
    for item in given if uses else ():
        found = _session(project, item, together.scope) if isinstance(item, (ast.Name, ast.Attribute)) else None
        if found is not None and _outside(item, Member(together.start, True), together.scope):
            key = ast.unparse(item)
            place = together.scope.place(pair, f"uses {key}")
            yield SharedSession(together, key, (place,), True, found, "resolved")


def _starts_threads(project: Project, call: ast.Call, scope: Scope) -> bool:
    """Whether a function of the project hands work to threads, itself or in a function inside it."""
    inner = (s for target in project.calls.site(call, scope).targets for s in target.walk())
    return any(OFFLOADING.intersection(site.names) for s in inner for site in project.calls.sites(s))


def _sessions_of(project: Project, member: Member, scope: Scope) -> Iterator[tuple[str, bool, str]]:
    """(session as written, asynchronous, certainty) of each session a call uses, if it is made outside the
    repetition.
    """
    call = member.call
    func = call.func
    if isinstance(func, ast.Attribute) and func.attr in _SENDING:
        found = _session(project, func.value, scope)
        if found is not None and _outside(func.value, member, scope):
            yield ast.unparse(func.value), found, "resolved"
            return
    handed = isinstance(func, ast.Attribute) and func.attr in ("submit", "start_soon")
    targets = (
        project.calls.passed(call.args[0], scope)
        if handed and call.args
        else list(project.calls.site(call, scope).targets)
    )
    if not any(t in project.loops.querying for t in targets):
        return
    for given in (*call.args, *(k.value for k in call.keywords)):
        found = _session(project, given, scope) if isinstance(given, (ast.Name, ast.Attribute)) else None
        if found is not None and _outside(given, member, scope) and not any(_opens_own(t) for t in targets):
            yield ast.unparse(given), found, "resolved"
    if isinstance(func, ast.Attribute) and not handed:
        yield from _held(project, func.value, member, scope)


def _session(project: Project, expr: ast.expr, scope: Scope) -> bool | None:
    """Whether an expression is an AsyncSession (True) or a Session (False); None for anything else."""
    for value in project.values.of(expr, scope):
        if isinstance(value, Instance) and is_session_class(value, project.names):
            bases = project.names.mro(value.cls) if isinstance(value.cls, Class) else [value.cls]
            return any(b.dotted in ASYNC_SESSIONS for b in bases)
    return None


def _opens_own(function: Function) -> bool:
    """Whether the callee enters a context of its own around its statements, so that the argument may not be what it
    uses.
    """
    return any(
        isinstance(o, ast.withitem) and isinstance(o.context_expr, ast.Call) and o.optional_vars is not None
        for o in function.all(ast.withitem)
    )


def _outside(expr: ast.expr, member: Member, scope: Scope) -> bool:
    """Whether the name is bound outside the loop or comprehension that makes the member."""
    root = expr
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name):
        return False
    repeating = [h for h in parents(member.call) if isinstance(h, (*LOOPS, *COMPREHENSIONS))]
    if not repeating:
        return True
    inside = {id(n) for h in repeating for n in subtree(h)}
    return not any(id(b.node) in inside for b in reaching(scope, root.id, root))


def _held(project: Project, receiver: ast.expr, member: Member, scope: Scope) -> Iterator[tuple[str, bool, str]]:
    """An object that keeps a session (`repo = Repo(session)`, an injected service)."""
    for value in project.values.of(receiver, scope):
        if not isinstance(value, Instance) or not isinstance(value.cls, Class) or not _outside(receiver, member, scope):
            continue
        kept = _kept_session(project, value.cls)
        if kept is None:
            continue
        made = _made_with(project, receiver, scope)
        if made is not None:
            yield made, kept, "resolved"
        elif isinstance(receiver, ast.Name) and isinstance(scope, Function) and scope.param(receiver.id) is not None:
            yield "the session of the request", kept, "inferred"
        else:
            yield ast.unparse(receiver), kept, "inferred"


def _kept_session(project: Project, cls: Class) -> bool | None:
    """Whether objects of a class keep an AsyncSession (True) or Session (False) they were given, None for neither."""
    init = project.names.class_member(cls, "__init__")
    if not isinstance(init, Function):
        return None
    for arg, _ in init.params[1:]:
        for value in project.values.annotated(arg.annotation, init.parent or init.module):
            if (
                isinstance(value, Instance)
                and isinstance(value.cls, External)
                and is_session_class(value, project.names)
            ):
                return value.dotted in ASYNC_SESSIONS
    return None


def _made_with(project: Project, receiver: ast.expr, scope: Scope) -> str | None:
    """The session argument of the constructor call a name was assigned from."""
    calls = [receiver] if isinstance(receiver, ast.Call) else []
    if isinstance(receiver, ast.Name):
        calls = [b.value for b in reaching(scope, receiver.id, receiver) if isinstance(b.value, ast.Call)]
    for call in calls:
        for given in (*call.args, *(k.value for k in call.keywords)):
            if isinstance(given, (ast.Name, ast.Attribute)) and _session(project, given, scope) is not None:
                return ast.unparse(given)
    return None
