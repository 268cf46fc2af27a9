"""What a path operation does itself: statements, branches, queries, writes, calls to other services."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.data.queries import WRITE
from project.language.scopes import LOOPS, Function, Scope, parent, subtree
from project.routing.guard_refusals import status_of
from project.serving.own_work import LOGS, OwnWork, own_work

if TYPE_CHECKING:
    from project import Project

SESSION_CLASSES = frozenset(
    "sqlalchemy.orm.Session sqlalchemy.ext.asyncio.AsyncSession sqlmodel.Session "
    "sqlmodel.ext.asyncio.AsyncSession".split()
)
_WRITES = frozenset("add add_all delete merge bulk_save_objects bulk_insert_mappings".split())
_SERVICES = frozenset(
    "httpx httpx2 requests aiohttp urllib urllib3 boto3 aioboto3 openai anthropic stripe smtplib aiosmtplib twilio "
    "sendgrid "
    "litellm google azure minio grpc".split()
)
_REQUESTS = frozenset(
    "get post put patch delete head options request send stream urlopen create acreate call invoke publish "
    "send_message "
    "sendmail upload_file upload_fileobj put_object get_object delete_object ws_connect".split()
)
# What an answer or a setting is asked for, not a service.
_ANSWERS = frozenset("json headers cookies data text content token params query_params state".split())
_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


@dataclass(frozen=True, slots=True)
class HandlerWork:
    """Counts for one function with the functions defined in it.

    `rules` are branches that compare values (a check for None is none). `reads` and `changes` count queries and
    writes on the way that has most of them; `queries`, `writes`, `commits` and `remote` are all such calls.
    `own` leaves out translation between HTTP and the rest.
    """

    function: Function
    statements: int
    branches: int
    rules: int
    reads: int
    changes: int
    queries: tuple[ast.expr, ...]
    writes: tuple[ast.expr, ...]
    commits: tuple[ast.expr, ...]
    remote: tuple[ast.expr, ...]
    own: OwnWork

    @property
    def lines(self) -> int:
        return (self.function.node.end_lineno or 0) - self.function.node.lineno + 1


class Work:
    """Measures path operations, each once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[Function, HandlerWork] = {}

    def of(self, function: Function) -> HandlerWork:
        if function not in self._known:
            self._known[function] = self._measure(function)
        return self._known[function]

    def _measure(self, function: Function) -> HandlerWork:
        scopes = [s for s in function.walk() if isinstance(s, Function)]
        nodes = [item for s in scopes for item in s.nodes.items()]
        executions = [e for s in scopes for e in self._project.queries.of(s) if e.method != "refresh"]
        session = [found for s in scopes for found in self._session_calls(s)]
        queries = tuple(e.node for e in executions if e.effect != WRITE)
        writes = (*(e.node for e in executions if e.effect == WRITE), *(c for name, c in session if name != "commit"))
        return HandlerWork(
            function=function,
            statements=sum(not _is_text(n) for kind, group in nodes if issubclass(kind, ast.stmt) for n in group),
            branches=sum(_branches(n) for kind, group in nodes if kind in _BRANCHING for n in group),
            rules=sum(_is_rule(n) for kind, group in nodes if kind is ast.If for n in group),
            reads=_on_one_way(function, queries),
            changes=_on_one_way(function, writes),
            queries=queries,
            writes=writes,
            commits=tuple(c for name, c in session if name == "commit"),
            remote=tuple(c for s in scopes for c in self._remote(s)),
            own=own_work(function),
        )

    def _session_calls(self, scope: Scope) -> Iterator[tuple[str, ast.Call]]:
        for site in self._project.calls.sites(scope):
            for name in site.names:
                owner, _, method = name.rpartition(".")
                if owner in SESSION_CLASSES and (method in _WRITES or method == "commit") and site.call is not None:
                    yield method, site.call
                    break

    def _remote(self, scope: Scope) -> Iterator[ast.Call]:
        for site in self._project.calls.sites(scope):
            if site.call is not None and any(map(_asks_service, site.names)):
                yield site.call


def _asks_service(name: str) -> bool:
    """Whether a canonical name is a call that leaves the process, not one on the answer of such a call."""
    if name.startswith("urllib.parse."):
        return False
    way = name.split(".")
    steps = {step.removesuffix("()") for step in way[1:-1]}
    return way[0] in _SERVICES and way[-1] in _REQUESTS and not steps & (_REQUESTS | _ANSWERS)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


_BRANCHING = frozenset((ast.If, ast.IfExp, ast.ExceptHandler, *LOOPS, ast.BoolOp, ast.comprehension, ast.match_case))


def _branches(node: ast.AST) -> int:
    """How many ways one of these nodes adds, as cyclomatic complexity counts them."""
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    return len(node.ifs) if isinstance(node, ast.comprehension) else 1


def _is_rule(node: ast.AST) -> bool:
    """Whether an `if` decides by comparing values and does more than refuse what is missing."""
    if not isinstance(node, ast.If):
        return False
    compared = [c for c in subtree(node.test) if isinstance(c, ast.Compare)]
    return any(not isinstance(op, (ast.Is, ast.IsNot)) for c in compared for op in c.ops)


def _on_one_way(function: Function, nodes: Iterable[ast.AST]) -> int:
    """How many of these nodes run at most in one call: branches that exclude each other do not add up."""
    if function.is_lambda:
        return len(list(nodes))
    held: Counter[int] = Counter()
    for node in nodes:
        held[id(_statement(node))] += 1
    return _way(function.body, held) if held else 0


def _statement(node: ast.AST) -> ast.AST:
    """The statement that a node stands in, lambdas between them or not."""
    while not isinstance(node, ast.stmt) and (holder := parent(node)) is not None:
        node = holder
    return node


def _way(body: list[ast.stmt], held: Counter[int]) -> int:
    total = 0
    for i, statement in enumerate(body):
        total += held[id(statement)]
        if isinstance(statement, ast.If):
            yes, no = _way(statement.body, held), _way(statement.orelse, held)
            if isinstance(statement.body[-1], _LEAVES):
                return total + max(yes, no + _way(body[i + 1 :], held))
            total += max(yes, no)
        elif isinstance(statement, ast.Try):
            total += _way(statement.body, held) + _way(statement.orelse, held) + _way(statement.finalbody, held)
            total += max((_way(h.body, held) for h in statement.handlers), default=0)
        elif statement.__class__.__name__ == "Match":
            total += max(_way(case.body, held) for case in statement.cases)  # type: ignore[attr-defined]
        else:
            total += _way(getattr(statement, "body", []), held)
    return total


def does_nothing(function: Function) -> bool:
    """Whether a function has nothing to do: no body, a `raise` at once, or an answer that always says no."""
    body = [s for s in function.body if not _is_idle(s)]
    if not body or isinstance(body[0], ast.Raise):
        return True
    return len(body) == 1 and isinstance(body[0], ast.Return) and _says_no(body[0].value)


def _is_idle(statement: ast.stmt) -> bool:
    """`pass`, a text, an import, a line for the log."""
    if isinstance(statement, ast.Expr):
        call = statement.value
        return isinstance(call, ast.Constant) or (
            isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in LOGS
        )
    return isinstance(statement, (ast.Pass, ast.Import, ast.ImportFrom))


def _says_no(value: ast.expr | None) -> bool:
    """`JSONResponse(status_code=410, ...)`: a response with an error, made of nothing that runs."""
    if not isinstance(value, ast.Call) or "Response" not in ast.unparse(value.func):
        return False
    if any(isinstance(n, (ast.Call, ast.Await)) for n in subtree(value) if n is not value):
        return False
    statuses = [status_of(v) for v in (*value.args, *(k.value for k in value.keywords))]
    return any(status is not None and 400 <= status < 600 for status in statuses)
