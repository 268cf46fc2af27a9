"""`except` clauses that lose errors: HTTP errors answered as something else, exceptions dropped without a word."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from check import HIGH, LOW, MEDIUM, Found, Hit
from code_organization.best_effort import is_allowed, is_best_effort
from code_organization.dimension import organization
from code_organization.little_lost import is_met_elsewhere, is_slight
from project import Function, Project
from project.language.literals import keyword
from project.language.scopes import subtree
from project.place import Place
from project.serving.exceptions import BASE_EXCEPTION, EXCEPTION, Escape, nodes_of, rethrows, try_of

BROAD = (EXCEPTION, BASE_EXCEPTION)
_REFUSALS = frozenset(("401", "403", "404"))
_PARSING = frozenset("json text read body form decode".split())
_ERROR_KEYS = frozenset("error errors detail message msg success ok status exception".split())


@organization.check(
    "ORG002",
    "broad-except-swallows-http-exception",
    title="HTTP error swallowed by a broad except",
    impact=HIGH,
    anti_pattern=7,
    fix="Catch only what the call can raise, or put `except HTTPException: raise` in front.",
)
def broad_except(project: Project) -> Found:
    """HTTPException is an Exception: a 404 raised inside the try leaves as whatever the broad clause answers.

    Source: FastAPI, Handling Errors, https://fastapi.tiangolo.com/tutorial/handling-errors/

    Bad:
        from fastapi import FastAPI, HTTPException

        app = FastAPI()

        def find(key: int) -> str:
            if key > 9:
                raise HTTPException(404, "not found")
            return "x"

        @app.get("/things/{key}")
        def read(key: int) -> str:
            try:
                return find(key)
            except Exception as e:  # ORG002
                raise HTTPException(500, detail=str(e))
    Good:
        from fastapi import FastAPI, HTTPException

        app = FastAPI()

        def find(key: int) -> str:
            if key > 9:
                raise HTTPException(404, "not found")
            return "x"

        @app.get("/things/{key}")
        def read(key: int) -> str:
            try:
                return find(key)
            except HTTPException:
                raise
            except Exception as e:
                raise HTTPException(500, "failed") from e
    Not this:
        import logging
        from fastapi import FastAPI, HTTPException

        app = FastAPI()
        log = logging.getLogger(__name__)

        def find(key: int) -> str:
            if key > 9:
                raise HTTPException(404, "not found")
            return "x"

        @app.get("/a/{key}")
        def read_a(key: int) -> str:
            try:
                return find(key)
            except Exception:
                log.exception("failed")
                raise

        @app.get("/b/{key}")
        def read_b(key: int) -> str:
            try:
                return find(key)
            except (ValueError, KeyError):
                raise HTTPException(400)

        @app.get("/c/{key}")
        def read_c(key: int) -> str:
            try:
                return find(key)
            except Exception as e:
                if isinstance(e, HTTPException):
                    raise e
                raise HTTPException(500)
    """
    found: dict[object, list[Hit]] = {}
    for function, clause in _broad_clauses(project):
        outcome = "" if _respects_http(project, clause, function) else _outcome(project, clause, function)
        if not outcome:
            continue
        lost = [e for e in project.exceptions.ending_in(clause, function) if project.exceptions.is_http(e.raised.kind)]
        lost = [e for e in lost if _status(project, e) != outcome]
        if lost:
            hit = _lost(project, function, clause, lost, outcome)
            origin = lost[0].raised.place()
            found.setdefault((function.module.path, origin) if hit.impact == HIGH else origin, []).append(hit)
        elif _is_around_yield(project, clause, function):
            message = f"every HTTP error of the path operation arrives at this yield and becomes {outcome}"
            yield Hit(function.place(clause), message)
    for hits in found.values():
        others = len(hits) - 1
        more = f"; so do{'es' * (others == 1)} {others} more around the same raise" if others else ""
        places = tuple(hit.place for hit in hits[1:])
        yield replace(hits[0], message=hits[0].message + more, places=places)


def _lost(project: Project, function: Function, clause: ast.ExceptHandler, lost: list[Escape], outcome: str) -> Hit:
    status = _status(project, lost[0])
    named = f"HTTP error {status}" if status else "HTTP error"
    where = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
    message = f"{named} raised inside the try{where} becomes {outcome}: this clause catches HTTPException too"
    trace = (*lost[0].trace(), function.place(clause, "caught here"))
    impact = _weight({_status(project, e) for e in lost}, outcome)
    return Hit(function.place(clause), message, trace, impact, lost[0].certainty)


def _weight(statuses: set[str], outcome: str) -> str:
    """What a client loses: most where a refusal arrives as a success; little between statuses of one kind (403, 404),
    but for a 401, which asks it to log in.
    """
    if outcome.removeprefix("a ")[:1] == "2":
        return HIGH if statuses & _REFUSALS else MEDIUM
    kinds = {status[:1] for status in statuses}
    return LOW if kinds == {outcome[:1]} and "401" not in statuses else MEDIUM


def _broad_clauses(project: Project) -> Iterator[tuple[Function, ast.ExceptHandler]]:
    """`except Exception` and the like in the application's functions."""
    for module in project.app_modules:
        for function in module.functions:
            for clause in function.all(ast.ExceptHandler):
                kinds = project.exceptions.caught_kinds(clause, function)
                if any(kind is not None and kind.dotted in BROAD for kind in kinds):
                    yield function, clause


def _respects_http(project: Project, clause: ast.ExceptHandler, function: Function) -> bool:
    """Whether a clause raises again, or looks at what it caught before it answers."""
    if rethrows(clause):
        return True
    for node in nodes_of(clause):
        if (
            isinstance(node, ast.Attribute)
            and _is_caught(node.value, clause)
            and node.attr in ("status_code", "detail")
        ):
            return True
        if isinstance(node, ast.Call) and any(_is_caught(a, clause) for a in node.args):
            name = project.names.canonical(node.func, function) or ""
            if name in ("builtins.isinstance", "builtins.getattr", "builtins.type"):
                return True
            if isinstance(node.func, (ast.Name, ast.Attribute)) and _is_raised_or_returned(node, clause):
                return project.names.resolve(node.func, function) is None or _converts(project, node, function)
    return False


def _is_caught(node: ast.AST, clause: ast.ExceptHandler) -> bool:
    return isinstance(node, ast.Name) and node.id == clause.name


def _is_raised_or_returned(call: ast.Call, clause: ast.ExceptHandler) -> bool:
    return any(
        (isinstance(n, ast.Raise) and n.exc is call) or (isinstance(n, ast.Return) and n.value is call)
        for n in nodes_of(clause)
    )


def _converts(project: Project, call: ast.Call, function: Function) -> bool:
    """Whether a project function that gets the exception tells kinds apart."""
    for target in project.calls.site(call, function).targets:
        for inner in target.all(ast.Call):
            if project.names.canonical(inner.func, target) in ("builtins.isinstance", "builtins.getattr"):
                return True
        if target.all(ast.Raise):
            return True
    return False


def _outcome(project: Project, clause: ast.ExceptHandler, function: Function) -> str:
    """What the caller gets instead: a status, another exception, a normal answer; "" when nothing is answered."""
    nodes = list(nodes_of(clause))
    for raised in (n for n in nodes if isinstance(n, ast.Raise)):
        for error in project.http_errors.of(function):
            if error.node is raised:
                return str(error.status) if error.status else "another HTTP error"
        found = next((r for r in project.exceptions.raised(function) if r.node is raised), None)
        return found.kind.dotted.rsplit(".", 1)[-1] if found else ""
    if function not in project.exceptions.handlers:
        return ""
    for node in nodes:
        if isinstance(node, ast.Return) and node.value is not None:
            given = keyword(node.value, "status_code") if isinstance(node.value, ast.Call) else None
            if given is not None:
                return str(project.http_errors.status(given, function) or "another status")
            if not (isinstance(node.value, ast.Constant) and node.value.value is None):
                return "a 200"
    return ""


def _status(project: Project, escape: Escape) -> str:
    for error in project.http_errors.of(escape.raised.function):
        if error.node is escape.raised.node:
            return str(error.status) if error.status else ""
    return ""


def _is_around_yield(project: Project, clause: ast.ExceptHandler, function: Function) -> bool:
    """Whether a clause belongs to the try around the `yield` of a dependency."""
    if not function.is_generator or function not in project.exceptions.dependencies:
        return False
    return any(
        isinstance(outer, list) and clause in outer
        for node in function.all(ast.Yield)
        for outer in project.exceptions.around(node)
    )


@organization.check(
    "ORG003",
    "swallowed-exception",
    title="Exception swallowed",
    impact=MEDIUM,
    anti_pattern=7,
    fix="Catch the exception you expect; log or raise the rest.",
)
def swallowed(project: Project) -> Found:
    """What is caught without a word also hides typing mistakes and lost connections until users report them.

    In a dependency with yield the error of the path operation must be raised again: since 0.110 FastAPI answers
    otherwise with a 500 about a response that was not awaited.

    Source: FastAPI, Dependencies with yield, https://fastapi.tiangolo.com/tutorial/dependencies/dependencies-with-yield/

    Bad:
        from fastapi import FastAPI

        app = FastAPI()

        def charge(amount: int) -> int:
            return 1 // amount

        @app.post("/silent")
        def silent(amount: int) -> dict:
            try:
                charge(amount)
            except Exception:  # ORG003
                pass
            return {"ok": True}

        @app.post("/answered")
        def answered(amount: int) -> dict:
            try:
                return {"charged": charge(amount)}
            except Exception as e:  # ORG003
                return {"error": str(e)}
    Good:
        import logging
        from fastapi import FastAPI, HTTPException

        app = FastAPI()
        log = logging.getLogger(__name__)

        def charge(amount: int) -> int:
            return 1 // amount

        @app.post("/charge")
        def handled(amount: int) -> dict:
            try:
                return {"charged": charge(amount)}
            except ZeroDivisionError as error:
                log.warning("no amount")
                raise HTTPException(422, "amount") from error
    Not this:
        import contextlib
        import logging
        from fastapi import FastAPI

        app = FastAPI()
        log = logging.getLogger(__name__)
        try:
            import orjson
        except Exception:
            orjson = None

        class Cache:
            def get(self, key: str) -> str | None:
                try:
                    return self.read(key)
                except Exception:
                    log.exception("the cache does not answer")
                    return None

            def close(self) -> None:
                try:
                    self.connection.send("bye")
                except Exception:
                    pass

        @app.get("/x")
        def read() -> str:
            cache = Cache()
            try:
                cache.close()
            except Exception:
                pass
            with contextlib.suppress(KeyError):
                return cache.get("x")
            try:
                return cache.read("y")
            except Exception:
                # the old format has no y: fall through to the default
                pass
            return ""
    """
    silent: dict[str, list[tuple[Function, ast.ExceptHandler]]] = {}
    minor: list[Place] = []
    for function, clause in _broad_clauses(project):
        if _is_around_yield(project, clause, function) and not rethrows(clause) and not _raises(clause):
            message = "the error of the path operation ends at this yield: FastAPI then fails with a 500 of its own"
            yield Hit(function.place(clause), message, impact=HIGH)
        elif function in project.exceptions.handlers and _answers_with_text(clause):
            message = "every failure is answered as a success: status 200 with the text of the error"
            yield Hit(function.place(clause), message)
        elif _is_silent(clause) and not is_allowed(project, clause, function):
            if is_met_elsewhere(project, clause, function):
                continue
            slight = is_slight(clause, function)
            pumps = any(m.startswith(("send_", "receive")) for m in _awaited(clause, function))
            weighs = not slight and not pumps and project.requests.within(function) is not None
            if weighs and _does_work(project, clause, function) and not is_best_effort(project, clause, function):
                silent.setdefault(function.module.path, []).append((function, clause))
            else:
                minor.append(function.place(clause))
    for clauses in silent.values():
        function, clause = clauses[0]
        more = f"; {len(clauses)} clauses of this file do" if len(clauses) > 1 else ""
        message = f"{_caught(clause)} in {function.qualname} drops every error without a trace{more}"
        yield Hit(function.place(clause), message, places=tuple(f.place(c) for f, c in clauses[1:]))
    if minor:
        more = f", and at {len(minor) - 1} more places" if len(minor) > 1 else ""
        message = f"an exception of any kind is dropped where a narrower one is meant{more}"
        yield Hit(minor[0], message, impact=LOW, places=tuple(minor[1:]))


def _caught(clause: ast.ExceptHandler) -> str:
    return "a bare except" if clause.type is None else f"except {ast.unparse(clause.type)}"


def _raises(clause: ast.ExceptHandler) -> bool:
    return any(isinstance(n, ast.Raise) for n in nodes_of(clause))


def _answers_with_text(clause: ast.ExceptHandler) -> bool:
    """Whether a clause of a path operation returns a plain dict that tells of the error."""
    nodes = list(nodes_of(clause))
    if any(isinstance(n, ast.Raise) or (isinstance(n, ast.Attribute) and n.attr == "status_code") for n in nodes):
        return False
    for node in nodes:
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
            keys = {k.value for k in node.value.keys if isinstance(k, ast.Constant)}
            if keys & _ERROR_KEYS and any(_is_caught(n, clause) for n in subtree(node.value)):
                return True
    return False


def _does_work(project: Project, clause: ast.ExceptHandler, function: Function) -> bool:
    """Whether the `try` waits for something, asks the database or runs code of the project: more than a conversion."""
    body = [s for s in try_of(clause).body if not isinstance(s, (ast.Import, ast.ImportFrom))]
    tried = {id(n) for s in body for n in subtree(s)}
    waits: list[ast.AST] = [a for a in function.all(ast.Await) if not _parses(a)]
    waits += [*function.all(ast.AsyncWith), *function.all(ast.AsyncFor)]
    sent: list[ast.AST] = [e.node for e in project.queries.of(function)]
    asked: list[ast.AST] = [s.node for s in project.calls.sites(function) if project.remote_answers.is_request(s)]
    if any(id(node) in tried for node in (*waits, *sent, *asked)):
        return True
    converts = len(body) == 1 and isinstance(body[0], (ast.Assign, ast.AnnAssign, ast.Return))
    return not converts and any(s.targets and id(s.node) in tried for s in project.calls.sites(function))


def _awaited(clause: ast.ExceptHandler, function: Function) -> set[str]:
    """Names of methods that the `try` awaits."""
    tried = {id(n) for s in try_of(clause).body for n in subtree(s)}
    calls = [a.value for a in function.all(ast.Await) if id(a) in tried and isinstance(a.value, ast.Call)]
    return {c.func.attr for c in calls if isinstance(c.func, ast.Attribute)}


def _parses(node: ast.Await) -> bool:
    """Whether a coroutine only reads a body that has already been asked for (`await answer.json()`)."""
    func = node.value.func if isinstance(node.value, ast.Call) else None
    return isinstance(func, ast.Attribute) and func.attr in _PARSING


def _is_silent(clause: ast.ExceptHandler) -> bool:
    """Whether a clause neither raises, says nor keeps anything about what it caught."""
    for node in nodes_of(clause):
        if isinstance(node, (ast.Raise, ast.Yield, ast.Await)) or (clause.name and _is_caught(node, clause)):
            return False
        if isinstance(node, ast.Call):
            return False
        if isinstance(node, ast.Assign) and not isinstance(node.value, (ast.Constant, ast.List, ast.Dict)):
            return False
    return True
