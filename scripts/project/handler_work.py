"""What a path operation does itself: statements, branches, queries, writes, calls to other services."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.queries import WRITE
from project.scopes import LOOPS, Function, Scope

if TYPE_CHECKING:
    from project import Project

SESSION_CLASSES = ("sqlalchemy.orm.Session", "sqlalchemy.ext.asyncio.AsyncSession", "sqlmodel.Session", "sqlmodel.ext.asyncio.AsyncSession")
_WRITES = frozenset("add add_all delete merge bulk_save_objects bulk_insert_mappings".split())
_SERVICES = frozenset(
    "httpx httpx2 requests aiohttp urllib urllib3 boto3 aioboto3 openai anthropic stripe smtplib aiosmtplib twilio sendgrid "
    "litellm google azure minio grpc".split()
)
_REQUESTS = frozenset(
    "get post put patch delete head options request send stream fetch urlopen create acreate call invoke publish "
    "send_message sendmail upload_file upload_fileobj put_object get_object delete_object generate_presigned_url ws_connect".split()
)


@dataclass(frozen=True, slots=True)
class HandlerWork:
    """Counts for one function with the functions defined in it.

    `rules`: branches that compare values (not mere checks for None that leave at once). `nodes` are the places of
    queries, writes and remote calls by kind, in source order.
    """

    statements: int
    branches: int
    rules: int
    queries: tuple[ast.AST, ...]
    writes: tuple[ast.AST, ...]
    commits: tuple[ast.AST, ...]
    remote: tuple[ast.AST, ...]


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
        nodes = [n for s in scopes for group in s.nodes.values() for n in group]
        executions = [e for s in scopes for e in self._project.queries.of(s)]
        session = [found for s in scopes for found in self._session_calls(s)]
        writes = [e.node for e in executions if e.effect == WRITE] + [c for name, c in session if name in _WRITES]
        return HandlerWork(
            statements=sum(isinstance(n, ast.stmt) and not _is_text(n) for n in nodes),
            branches=sum(map(_branches, nodes)),
            rules=sum(_is_rule(n) for n in nodes),
            queries=tuple(e.node for e in executions if e.effect != WRITE),
            writes=tuple(writes),
            commits=tuple(c for name, c in session if name == "commit"),
            remote=tuple(c for s in scopes for c in self._remote(s)),
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
            for name in site.names:
                root, _, rest = name.partition(".")
                if root in _SERVICES and rest.rpartition(".")[2] in _REQUESTS and site.call is not None:
                    yield site.call
                    break


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _branches(node: ast.AST) -> int:
    """How many ways a node adds, as cyclomatic complexity counts them."""
    if isinstance(node, (ast.If, ast.IfExp, ast.ExceptHandler, *LOOPS)):
        return 1
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return len(node.ifs)
    return 1 if node.__class__.__name__ == "match_case" else 0


def _is_rule(node: ast.AST) -> bool:
    """Whether an `if` decides by comparing values and does more than refuse what is missing."""
    if not isinstance(node, ast.If):
        return False
    compared = [c for c in ast.walk(node.test) if isinstance(c, ast.Compare)]
    return any(not isinstance(op, (ast.Is, ast.IsNot)) for c in compared for op in c.ops)


