"""What a caller must be allowed beyond being known: roles, permissions, scopes and ownership that code asks for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from project.language.arguments import given_for
from project.language.scopes import Function, parents, subtree
from project.place import Place

if TYPE_CHECKING:
    from project import Project

SCOPE, ROLE, PERMISSION, OWNER = "scope", "role", "permission", "owner"
MAX_HOPS = 3
MAX_FUNCTIONS = 40
_KINDS = (
    (SCOPE, re.compile(r"(^|_)scopes?$", re.IGNORECASE)),
    (ROLE, re.compile(r"admin|super_?user|(^|[a-z_])staff|moderator|(^|_)roles?($|_)|(^|_)is_root", re.IGNORECASE)),
    (
        PERMISSION,
        re.compile(
            r"permission|permitted|privilege|rbac|polic(y|ies)$|(^|_)acl|(^|_)can_\w|is_allowed|authori[sz]ed|has_access|"
            r"access_(level|grants?|control)|entitle",
            re.IGNORECASE,
        ),
    ),
)
_OWNED = re.compile(
    r"^(user|owner|author|creator|customer|account|tenant|org|organi[sz]ation|workspace|team|company|member)_?(id|uuid|pk)$|"
    r"^(created|owned|uploaded|submitted)_by(_user)?(_id)?$|^owner$",
    re.IGNORECASE,
)
_ENFORCES = re.compile(
    r"^_?(require|ensure|check|assert|verify|enforce|validate|authorize|authorise)_?\w*"
    r"(permission|role|scope|owner|access|polic|privilege)|^(authorize|authorise|enforce)$",
    re.IGNORECASE,
)
_FORBIDS = re.compile(
    r"forbidden|not_?permitted|(permission|access)_?denied|not_?allowed|insufficient|(lack|missing)\w*(permission|role)",
    re.IGNORECASE,
)
_QUERIES = re.compile(r"(filter|find|get|exists|delete|update|where)")
_STATE = re.compile(r"active|disabled|enabled|verified|banned|locked|suspended|deleted|expired", re.IGNORECASE)
_ID = re.compile(r"(^|_)(id|uuid|pk|username)$")
_CALLER = re.compile(r"^(current_?)?(user|principal|identity|auth_?user|account|member|viewer|actor)$", re.IGNORECASE)
_REQUESTS = frozenset("request req websocket".split())
REFUSING = frozenset((401, 403, None))
_HIDING = frozenset((401, 403, 404, None))


@dataclass(frozen=True, slots=True)
class Asked:
    """One condition a function puts on its caller. `word` is the name in the code that says so."""

    kind: str
    word: str
    place: Place
    function: Function


class Rights:
    """Conditions on the caller, by function; `callers` are the parameters that hold who calls."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[tuple[Function, frozenset[str]], list[Asked]] = {}
        self._given: dict[tuple[int, Function], list[tuple[str, ast.expr]]] = {}

    def of(self, function: Function, callers: frozenset[str]) -> list[Asked]:
        """What a function and those it calls ask, a few calls deep; each kind once a function."""
        key = (function, callers)
        if key not in self._known:
            self._known[key] = []
            self._known[key] = list(self._follow(function, callers, 0, set()))
        return self._known[key]

    def _follow(self, function: Function, callers: frozenset[str], hops: int, seen: set[Function]) -> Iterator[Asked]:
        seen.add(function)
        names = _with_copies(function, callers)
        yield from self._own(function, names)
        if hops == MAX_HOPS:
            return
        for site in self._project.calls.sites(function):
            if site.call is None:
                continue
            if not site.targets and _ENFORCES.search(_called(site.call)):
                kind = next((k for k, words in _KINDS if words.search(_called(site.call))), PERMISSION)
                yield Asked(kind, _called(site.call), site.place(), function)
            for target in site.targets[:2]:
                handed = self._handed(site.call, target)
                given = frozenset(name for name, expr in handed if _is_of(expr, names)) | (names & {"self"})
                asks = bool(given) or _ENFORCES.search(target.name)
                if asks and target not in seen and target.module.kind == "app" and len(seen) < MAX_FUNCTIONS:
                    yield from self._follow(target, given, hops + 1, seen)

    def _handed(self, call: ast.Call, target: Function) -> list[tuple[str, ast.expr]]:
        """Parameters of the called function that the call gives, each with what it is given."""
        key = (id(call), target)
        if key not in self._given:
            given = ((a.arg, given_for(a.arg, call, target)) for a, _ in target.params)
            self._given[key] = [(name, expr) for name, expr in given if expr is not None]
        return self._given[key]

    def _own(self, function: Function, names: frozenset[str]) -> Iterator[Asked]:
        found: dict[str, Asked] = {}
        for kind, word, node in (*self._tested(function, names), *_filtered(function, names)):
            if kind not in found or found[kind].word == function.name:
                found[kind] = Asked(kind, word, function.place(node), function)
        if len(found) > 1 and PERMISSION in found and found[PERMISSION].word == function.name:
            del found[PERMISSION]
        yield from found.values()

    def _tested(self, function: Function, names: frozenset[str]) -> Iterator[tuple[str, str, ast.AST]]:
        """Conditions that decide on a refusal."""
        statuses = {id(e.node): e.status for e in self._project.http_errors.of(function)}
        for raised in function.all(ast.Raise):
            if raised.exc is None:
                continue
            status = statuses.get(id(raised), 403 if _FORBIDS.search(_raised_name(raised)) else None)
            deciding = list(_deciding(raised, function))
            under = any(isinstance(holder, ast.If) for holder in parents(raised))
            for number, test in enumerate(deciding):
                about_caller = _is_of(test, names)
                if about_caller and status in _HIDING and (column := _other_id(test, names)):
                    yield OWNER, column, test
                elif status == 403 and about_caller and not any(_STATE.search(w) for w in _words(test)):
                    yield PERMISSION, function.name, test
                nested = (number > 0 and under) or any(
                    _relates(other, names) for other in deciding if other is not test
                )
                others = about_caller and (nested or _lets_others_pass(test, names))
                for word in _words(test):
                    kind = next((k for k, words in _KINDS if words.search(word)), "")
                    if kind and status in REFUSING and (about_caller or status == 403):
                        yield OWNER if kind == ROLE and others else kind, word, test
                    elif _OWNED.match(word) and status in _HIDING and about_caller and _compares(test):
                        yield OWNER, word, test


def _lets_others_pass(test: ast.expr, names: frozenset[str]) -> bool:
    """Whether who lacks the role may pass by another relation: `not user.is_admin and key not in user.keys`."""
    negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    whole = test.operand if isinstance(test, ast.UnaryOp) and negated else test
    if not isinstance(whole, ast.BoolOp) or isinstance(whole.op, ast.Or) is not negated:
        return False
    return any(_relates(part, names) for part in whole.values)


def _relates(part: ast.expr, names: frozenset[str]) -> bool:
    """Whether a condition compares who calls with something else, or hands both to a function."""
    if any(kind == ROLE and words.search(word) for word in _words(part) for kind, words in _KINDS):
        return False
    nodes = subtree(part)
    called = {id(n.func) for n in nodes if isinstance(n, ast.Call)}
    read = {n.id for n in nodes if isinstance(n, ast.Name) and id(n) not in called and not n.id.isupper()}
    return _is_of(part, names) and bool(read - names) and any(isinstance(n, (ast.Compare, ast.Call)) for n in nodes)


def asks_for_right(name: str) -> bool:
    """Whether the name of a function says that it asks for a role, permission or scope."""
    return any(words.search(name) for _, words in _KINDS)


def _deciding(raised: ast.Raise, function: Function) -> Iterator[ast.expr]:
    """Conditions a `raise` stands under; for one at the end of the function those that leave it before."""
    around = [holder for holder in parents(raised) if isinstance(holder, ast.If)]
    yield from (holder.test for holder in around)
    if not around and function.body and function.body[-1] is raised:
        yield from (n.test for n in function.all(ast.If) if n.body and isinstance(n.body[-1], ast.Return))


def _filtered(function: Function, names: frozenset[str]) -> Iterator[tuple[str, str, ast.AST]]:
    """Queries that compare an owner's column with who calls."""
    return ((OWNER, column, node) for column, value, node in _by_owner(function) if _is_of(value, names))


@lru_cache(maxsize=50_000)
def _by_owner(function: Function) -> list[tuple[str, ast.expr, ast.AST]]:
    """Comparisons of an owner's column in arguments of a function's calls: column, what it must be, where."""
    found: list[tuple[str, ast.expr, ast.AST]] = []
    for compare in function.all(ast.Compare):
        left, right = compare.left, compare.comparators[0]
        if len(compare.ops) == 1 and isinstance(compare.ops[0], ast.Eq) and _is_argument(compare):
            for column, value in ((left, right), (right, left)):
                if isinstance(column, ast.Attribute) and _OWNED.match(column.attr):
                    found.append((column.attr, value, compare))
    for keyword in function.all(ast.keyword):
        if keyword.arg and _OWNED.match(keyword.arg):
            holder = next(iter(parents(keyword)), None)
            if isinstance(holder, ast.Call) and _QUERIES.match(_called(holder)):
                found.append((keyword.arg, keyword.value, holder))
    return found


def _is_argument(node: ast.AST) -> bool:
    holder = next(iter(parents(node)), None)
    return isinstance(holder, (ast.Call, ast.Starred, ast.List, ast.Tuple))


def _compares(test: ast.expr) -> bool:
    return any(isinstance(n, ast.Compare) for n in subtree(test))


def _with_copies(function: Function, callers: frozenset[str]) -> frozenset[str]:
    """The names that hold who calls, and what is read from that."""
    found = set(callers)
    for name, bindings in function.bindings.items():
        values = [b.value for b in bindings if b.kind == "assign" and b.value is not None]
        if values and all(_is_chain_of(value, frozenset(found)) for value in values):
            found.add(name)
    return frozenset(found)


def _is_of(expr: ast.expr | None, names: frozenset[str]) -> bool:
    """Whether an expression reads who calls: one of the names, `request.user`, `self.current_user`."""
    if expr is None:
        return False
    read, is_caller = _reads(expr)
    return is_caller or not names.isdisjoint(read)


@lru_cache(maxsize=50_000)
def _reads(expr: ast.expr) -> tuple[frozenset[str], bool]:
    """Names that an expression reads, and whether it reads who calls from a request or `self`."""
    nodes = subtree(expr)
    read = frozenset(n.id for n in nodes if isinstance(n, ast.Name))
    return read, any(_is_caller(n, frozenset()) for n in nodes if isinstance(n, ast.Attribute))


def _is_caller(node: ast.AST, names: frozenset[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Attribute) and _CALLER.match(node.attr):
        holder = (
            node.value.value if isinstance(node.value, ast.Attribute) and node.value.attr == "state" else node.value
        )
        return isinstance(holder, ast.Name) and (holder.id in _REQUESTS or holder.id == "self")
    return False


def _other_id(test: ast.expr, names: frozenset[str]) -> str:
    """`owner` of `user.id != item.owner`: what the id of who calls is compared with, "" for nothing of an object."""
    for node in subtree(test):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            left, right = node.left, node.comparators[0]
            for mine, other in ((left, right), (right, left)):
                if _ID.search(next(_words(mine), "")) and _is_chain_of(mine, names) and not _is_of(other, names):
                    return next(_words(other), "") if not isinstance(other, ast.Constant) else ""
    return ""


def _is_chain_of(expr: ast.expr, names: frozenset[str]) -> bool:
    """`user.id`, `user["id"]`, `UUID(user.id)`, and no more than that."""
    while True:
        if isinstance(expr, (ast.Attribute, ast.Subscript)):
            if _is_caller(expr, names):
                return True
            expr = expr.value
        elif isinstance(expr, ast.Call):
            if isinstance(expr.func, ast.Attribute) and expr.func.attr == "get":
                expr = expr.func.value
            elif len(expr.args) == 1:
                expr = expr.args[0]
            else:
                return False
        else:
            return _is_caller(expr, names)


def _words(test: ast.expr) -> Iterator[str]:
    """Names that a condition reads: variables, attributes, keys. Constants of the application are not the caller's."""
    for node in subtree(test):
        word = ""
        if isinstance(node, ast.Attribute):
            word = node.attr
        elif isinstance(node, ast.Name):
            word = node.id
        elif isinstance(node, ast.Subscript) or (isinstance(node, ast.Call) and _called(node) in ("get", "getattr")):
            keys = [node.slice] if isinstance(node, ast.Subscript) else node.args[:2]
            word = next((k.value for k in keys if isinstance(k, ast.Constant) and isinstance(k.value, str)), "")
        if word.isidentifier() and not word.isupper():
            yield word


def _raised_name(raised: ast.Raise) -> str:
    """`NotAllowed`, and the code that an error is made with: `AppError INSUFFICIENT_PERMISSIONS`."""
    made = raised.exc.func if isinstance(raised.exc, ast.Call) else raised.exc
    given = [*raised.exc.args[:1], *(k.value for k in raised.exc.keywords)] if isinstance(raised.exc, ast.Call) else []
    codes = (a.attr for a in given if isinstance(a, ast.Attribute) and a.attr.isupper())
    return " ".join((made.attr if isinstance(made, ast.Attribute) else getattr(made, "id", ""), *codes))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
