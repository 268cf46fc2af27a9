"""What a route does with who calls: compares it, hands it on, logs it, or ignores it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from project import Class, Function, Project, Scope
from project.language.arguments import given_for
from project.language.scopes import parent, parents, subtree
from project.place import Place
from project.routing.dependencies import Dependency
from project.routing.parameters import path_names
from project.routing.routes import Route
from project.serving.handler_work import does_nothing
from security.around import last_name
from security.id_loads import OWNER, Followed

MAX_HOPS = 3
USER = re.compile(
    r"user|principal|account|subject|identity|member|viewer|caller|customer|person|profile|actor|"
    r"(auth|session|request)_?context|claims",
    re.IGNORECASE,
)
DECIDES = re.compile(
    r"permission|access|authori[sz]|(^|_)can_|owner|member|polic|(^|_)acl|enforce|allowed|belongs|scope|tenant|ensure|"
    r"verify|check_|is_mine|for_user|by_user|of_user|_user_|protect|visible|visibility|public|share",
    re.IGNORECASE,
)
FILTERS = frozenset("where filter filter_by join outerjoin exists any find find_one".split())
RELATES = re.compile(
    f"{USER.pattern}|owner|team|group|role|tenant|org|public|visib|shared|access|permission", re.IGNORECASE
)
LOGS = frozenset("debug info warning error exception critical log bind".split())
STAMP = re.compile(r"^(last_)?(created|updated|modified|changed|edited|deleted|touched)_by(_user)?(_id)?$")


def callers(route: Route) -> frozenset[str] | None:
    """Parameters of the handler that hold the caller; None when the guard is not about people.

    Services that know the caller themselves are looked at where the id passes through them.
    """
    guard = route.auth_by.split(",")[0]
    nodes = [n for root in route.dependency_tree for n in root.walk() if n.name == guard]
    names = [guard, *(inner.name for n in nodes for inner in n.walk())]
    if not any(USER.search(name.rsplit(".", 1)[-1]) for name in names):
        return None
    found: set[str] = set()
    for node in route.dependency_tree:
        if not any(inner.name == guard for inner in node.walk()):
            continue
        if node.level == "parameter":
            if USER.search(node.name.rsplit(".", 1)[-1]) or USER.search(node.param):
                found.add(node.param)
        elif not _is_plain_guard(node, guard):
            return None
    return frozenset(found)


def _is_plain_guard(node: Dependency, guard: str) -> bool:
    return node.name == guard or USER.search(node.name.rsplit(".", 1)[-1]) is not None


# What may relate an object to the caller


class Uses:
    """How functions use who calls. `ignored` collects where it is handed to a function that does nothing with it."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.ignored: list[Place] = []

    def matter(self, function: Function, users: frozenset[str], tracked: frozenset[str], hops: int = 0) -> bool:
        """Whether a function uses the caller for more than logs, stamps and calls of functions that ignore it.

        Comparisons in the handler with what the id does not lead to are no such use.
        """
        for scope in function.walk():
            for name in scope.all(ast.Name):
                loads = name.id in users and isinstance(name.ctx, ast.Load)
                if loads and not self._is_harmless(name, function, tracked, hops):
                    return True
        return False

    def _is_harmless(self, name: ast.Name, function: Function, tracked: frozenset[str], hops: int) -> bool:
        for holder in parents(name):
            if isinstance(holder, ast.keyword) and self._fills(holder, function):
                return True
            if isinstance(holder, ast.Assign) and all(map(_is_owner_of_row, holder.targets)):
                return True
            if isinstance(holder, ast.Call):
                logs = isinstance(holder.func, ast.Attribute) and holder.func.attr in LOGS
                return logs or self._is_ignored(name, holder, function, hops)
            if isinstance(holder, ast.Compare) and hops == 0:
                others = {n.id for n in ast.walk(holder) if isinstance(n, ast.Name) and n is not name}
                return bool(others) and not any(_comes_from(other, function, tracked) for other in others)
            if isinstance(holder, ast.stmt):
                return False
        return False

    def _fills(self, keyword: ast.keyword, function: Function) -> bool:
        """Whether a keyword says who did something, or whose a new row is."""
        name = keyword.arg or ""
        return bool(STAMP.match(name) or (OWNER.match(name) and is_new_row(self._project, keyword, function)))

    def _is_ignored(self, name: ast.Name, call: ast.Call, function: Function, hops: int) -> bool:
        """Whether every function that a call may run leaves the parameter that gets the caller unused."""
        site = self._project.calls.site(call, function)
        if not site.targets or hops == MAX_HOPS:
            return False
        for target in site.targets:
            taken = [a.arg for a, _ in target.params if _holds(given_for(a.arg, call, target), name)]
            if not taken or does_nothing(target) or self.matter(target, frozenset(taken), frozenset(), hops + 1):
                return False
        self.ignored.append(site.place(f"hands {name.id} to {site.targets[0].qualname}, which ignores it"))
        return True


def _is_owner_of_row(target: ast.expr) -> bool:
    """`note.owner_id = user.id` gives a row to the caller; `self.user_id` keeps who calls."""
    holder = target.value if isinstance(target, ast.Attribute) else None
    return isinstance(holder, ast.Name) and holder.id != "self" and OWNER.match(last_name(target)) is not None


def _holds(given: ast.expr | None, name: ast.Name) -> bool:
    return given is not None and any(n is name for n in ast.walk(given))


def _comes_from(name: str, handler: Function, tracked: frozenset[str]) -> bool:
    """Whether a local name is the id or was made with it."""
    if name in tracked:
        return True
    values = [b.value for b in handler.bindings.get(name, []) if b.value is not None]
    return any(isinstance(n, ast.Name) and n.id in tracked for v in values for n in ast.walk(v))


def decides(project: Project, route: Route, followed: Followed) -> bool:
    """Whether a call or a dependency on the way is about rights."""
    functions = [*followed.functions, *(f for f in route.dependency_functions if isinstance(f, Function))]
    guard = route.auth_by.split(",")[0]
    for function in functions:
        if function.dotted == guard:
            continue
        if function is not route.function and any(_is_own_user(a) for a in function.all(ast.Attribute)):
            return True
        if any(asks_for_rights(project, call, scope) for scope in function.walk() for call in scope.all(ast.Call)):
            return True
    in_path = path_names(route.path)
    others = [f for f in route.dependency_functions if isinstance(f, Function) and f.dotted != guard]
    return any(arg.arg in in_path for f in others for arg, _ in f.params)


def asks_for_rights(project: Project, call: ast.Call, scope: Scope) -> bool:
    """Whether a call is named after rights and what it runs can decide, or cannot be read."""
    if not DECIDES.search(last_name(call.func)):
        return False
    made = project.names.resolve(call.func, scope)
    if isinstance(made, Class) and (project.schemas.of(made) is not None or project.models.of(made) is not None):
        return False
    targets = project.calls.site(call, scope).targets
    return not targets or any(_can_decide(project, target, 2) for target in targets)


def _can_decide(project: Project, function: Function, hops: int) -> bool:
    """Whether a function refuses, answers yes or no, or takes only some rows: itself or one that it calls."""
    if project.calls.is_stub(function) or function.all(ast.Raise):
        return True
    returned = [r.value for r in function.all(ast.Return) if r.value is not None]
    if any(isinstance(value, ast.Constant) and isinstance(value.value, bool) for value in returned):
        return True
    if any(isinstance(value, (ast.Compare, ast.BoolOp, ast.UnaryOp)) for value in returned):
        return True
    filters = (call for call in function.all(ast.Call) if last_name(call.func) in FILTERS)
    if any(RELATES.search(word) for call in filters for word in _words_in(call)):
        return True
    called = (target for site in project.calls.sites(function) for target in site.targets)
    return hops > 0 and any(_can_decide(project, target, hops - 1) for target in called if target is not function)


def _words_in(call: ast.Call) -> Iterator[str]:
    for given in (*call.args, *(k.value for k in call.keywords)):
        yield from (last_name(node) for node in subtree(given) if isinstance(node, (ast.Name, ast.Attribute)))
    yield from (k.arg for k in call.keywords if k.arg)


def _is_own_user(node: ast.Attribute) -> bool:
    """`self.user`, `self.current_user`: a service that knows who calls and looks at it."""
    return isinstance(node.value, ast.Name) and node.value.id == "self" and USER.search(node.attr) is not None


def words(project: Project, function: Function) -> Iterator[str]:
    """Names that a function reads, and texts in it; not the fields that a new row is filled with."""
    for scope in function.walk():
        yield from (a.attr for a in scope.all(ast.Attribute) if isinstance(a.ctx, ast.Load))
        yield from (k.arg for k in scope.all(ast.keyword) if k.arg and not is_new_row(project, k, scope))
        yield from (c.value for c in scope.all(ast.Constant) if isinstance(c.value, str))


def is_new_row(project: Project, keyword: ast.keyword, scope: Scope) -> bool:
    """Whether a keyword fills a field of a row that is made: `Note(owner_id=user.id)`."""
    call = parent(keyword)
    made = project.names.resolve(call.func, scope) if isinstance(call, ast.Call) else None
    return made is not None and project.models.of(made) is not None
