"""Values that passed a test on every way to a place: what a condition, an assertion or a called function refuses.

Worked out through calls: a function of the project counts by what it tests and whether it raises or answers, one that
cannot be read by its name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from project.language.arguments import given_for
from project.language.calls import CallSite
from project.language.scopes import Class, Function, Scope, child_nodes, parent, subtree
from project.language.value_types import Instance
from project.serving.lexical_paths import is_lexical
from project.serving.passages import Passage, lets_off, outcomes, raises
from project.serving.sanitizers import without_special

if TYPE_CHECKING:
    from project import Project

TESTS = frozenset(
    "isalnum isalpha isdigit isdecimal isnumeric isidentifier startswith is_relative_to fullmatch match "
    "search issubset commonpath commonprefix count find index samefile is_absolute isabs".split()
)
ADDRESS_KINDS = frozenset(
    f"is_{kind}" for kind in "private global loopback reserved link_local multicast unspecified".split()
)
REFUSE_WRONG_FORM = frozenset(
    "builtins.int builtins.float uuid.UUID ipaddress.ip_address ipaddress.ip_network ipaddress.IPv4Address "
    "ipaddress.IPv6Address decimal.Decimal bson.ObjectId datetime.datetime.fromisoformat".split()
)
CHECKING_NAME = re.compile(
    r"(^|_)(valid\w*|safe|check(s|ed)?|verif\w*|allow\w*|ensure|assert\w*|permit\w*|authori\w*|whitelist\w*|within|"
    r"inside|trusted|restrict\w*|forbid\w*|secure|traversal|guard\w*|ssrf|private|public)(_|$)",
    re.IGNORECASE,
)
_TEXT_WORK = (
    "os.path.",
    "pathlib.",
    "urllib.parse.",
    "builtins.",
    "re.",
    "posixpath.",
    "anyio.Path",
    "yarl.",
    "httpx.URL",
)
_RESOLVES = frozenset("getaddrinfo gethostbyname gethostbyname_ex ip_address ip_network".split())
_RUNNERS = frozenset("to_thread run_in_threadpool run_sync run_in_executor partial".split())
_NO_CHECK = frozenset("check_output check_call model_validate validate_python".split())
_MAX_CALLS = 6
_LEADS_OUT = ("..", ".", "/", "\\", "~", "../")
_WORD = re.compile(r"\w+$")
RAISES, ANSWERS = "raises", "answers"


@dataclass(frozen=True, slots=True)
class Test:
    """A test of what `texts` (names and attributes, as written) hold, at `node`.

    `safe`: the outcome after which the value is harmless, None for either; `known`: it is equal to something known;
    `refuses`: it is a call that raises by itself.
    """

    texts: frozenset[str]
    node: ast.expr
    safe: bool | None = None
    known: bool = False
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class _Seen:
    """A condition that is looked at: `at`: where it stands, `safe`: False below `not`, `follow`: names too."""

    scope: Scope
    address: bool
    at: ast.expr
    safe: bool = True
    follow: bool = True


class Checked:
    """Tests of each function, and what the functions of the project test of their parameters."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._tests: dict[tuple[Scope, bool], dict[str, list[Test]]] = {}
        self._judged: dict[tuple[Function, str, bool], str] = {}

    def passed(self, text: str, at: ast.AST, scope: Scope, address: bool) -> bool:
        """Whether a name or attribute has passed a test on every way to `at`.

        For an `address`, looking at its scheme is no test.
        """
        holder: Scope | None = scope
        while isinstance(holder, Function):
            passage = Passage(at, text, partial(self._never_returns, holder))
            if any(passage.after(test) for test in self._of(holder, address).get(text, ())):
                return True
            holder = holder.parent
        return False

    def tests(self, text: str, scope: Scope, address: bool) -> list[Test]:
        """Tests of a name or attribute in a function, whether or not they end the way."""
        return self._of(scope, address).get(text, [])

    def judged(self, function: Function, parameter: str, address: bool) -> str:
        """Whether a function raises when a parameter does not pass a test, answers it, or ("") neither."""
        key = (function, parameter, address)
        if key not in self._judged:
            self._judged[key] = ""
            self._judged[key] = self._judge(function, parameter, address)
        return self._judged[key]

    def _judge(self, function: Function, parameter: str, address: bool) -> str:
        never_returns = partial(self._never_returns, function)
        tests = self._of(function, address).get(parameter, ())
        ways = {way for test in tests for way in outcomes(test, never_returns)}
        if RAISES in ways:
            return RAISES
        if function.body and raises(function.body[-1], never_returns) and any(map(lets_off, tests)):
            return RAISES
        returned = [r.value for r in function.all(ast.Return) if r.value is not None]
        if isinstance(function.node, ast.Lambda):
            returned = [function.node.body]
        answered = (t for v in returned for t in self._atoms(v, _Seen(function, address, v)))
        widened = (self._with_sources(test, function) for test in answered)
        return ANSWERS if ways or any(parameter in test.texts for test in widened) else ""

    def _never_returns(self, scope: Scope, call: ast.Call) -> bool:
        """Whether a call runs a function that ends with a raise and returns nowhere."""
        targets = self._project.calls.site(call, scope).targets
        return bool(targets) and all(
            f.body and isinstance(f.body[-1], ast.Raise) and not f.all(ast.Return) and not f.is_generator
            for f in targets
        )

    # Tests in a function

    def _of(self, scope: Scope, address: bool) -> dict[str, list[Test]]:
        key = (scope, address)
        if key not in self._tests:
            self._tests[key] = {}
            found: dict[str, list[Test]] = {}
            for test in self._in(scope, address):
                for text in self._with_sources(test, scope).texts:
                    found.setdefault(text, []).append(test)
            self._tests[key] = found
        return self._tests[key]

    def _in(self, scope: Scope, address: bool) -> Iterator[Test]:
        for condition in _conditions(scope):
            yield from self._atoms(condition, _Seen(scope, address, condition))
        for parts in scope.all(ast.BoolOp):
            outcome = isinstance(parts.op, ast.And)
            for part in parts.values[:-1]:
                found = self._atoms(part, _Seen(scope, address, part))
                yield from (test for test in found if test.safe in (None, outcome))
        for site in self._project.calls.sites(scope):
            if site.call is not None and (texts := self._refused(site, site.call, address)):
                yield Test(texts, site.call, refuses=True)
            if site.call is not None and without_special(site.call, scope) and _is_given_back(site.call):
                yield Test(_texts(site.call.func), site.call, refuses=True)
        for subscript in scope.all(ast.Subscript):
            if isinstance(subscript.value, ast.Name) and subscript.value.id in scope.module.bindings:
                yield Test(_texts(subscript.slice), subscript, refuses=True)

    def _atoms(self, expr: ast.expr, seen: _Seen) -> Iterator[Test]:
        """Tests that a condition is made of."""
        if isinstance(expr, ast.UnaryOp) and isinstance(expr.op, ast.Not):
            yield from self._atoms(expr.operand, replace(seen, safe=not seen.safe))
        elif isinstance(expr, ast.BoolOp):
            for value in expr.values:
                yield from self._atoms(value, replace(seen, at=value if seen.at is expr else seen.at))
        elif isinstance(expr, (ast.NamedExpr, ast.Await)):
            yield from self._atoms(expr.value, seen)
        elif isinstance(expr, ast.Compare):
            yield from self._compared(expr, seen)
        elif isinstance(expr, ast.Call):
            yield from self._asked(expr, seen)
        elif isinstance(expr, ast.Attribute) and expr.attr in ADDRESS_KINDS:
            yield Test(_texts(expr.value), seen.at)
        elif isinstance(expr, ast.Name) and seen.follow:
            yield from self._named(expr.id, replace(seen, follow=False))

    def _named(self, name: str, seen: _Seen) -> Iterator[Test]:
        """What a name tells that holds the result of a test, or something only where a test was passed."""
        given = [b for b in seen.scope.bindings.get(name, []) if b.kind == "assign" and b.value is not None]
        for binding in given:
            if binding.value is not None:
                yield from self._atoms(binding.value, seen)
        if any(isinstance(b.value, ast.Constant) and not b.value.value for b in given):
            holders = (parent(b.node) for b in given if not isinstance(b.value, ast.Constant) or b.value.value)
            for holder in (h for h in holders if isinstance(h, ast.If)):
                yield from (replace(test, safe=None) for test in self._atoms(holder.test, seen))

    def _compared(self, expr: ast.Compare, seen: _Seen) -> Iterator[Test]:
        operator, left, right = expr.ops[0], expr.left, expr.comparators[-1]
        if isinstance(operator, (ast.In, ast.NotIn)):
            if is_lexical(right, seen.scope):
                return
            inside = isinstance(operator, ast.In) is seen.safe
            if not (seen.address and _is_scheme(left)):
                yield Test(self._looked_at(left, seen.scope), seen.at, inside)
            texts = _all(self._looked_at(c, seen.scope) for c in expr.comparators)
            yield Test(texts, seen.at, not inside, known=True) if _is_word(left) else Test(texts, seen.at)
        elif isinstance(operator, (ast.Eq, ast.NotEq)):
            equal = isinstance(operator, ast.Eq) is seen.safe
            for side, other in ((left, right), (right, left)):
                if (seen.address and _is_scheme(side)) or is_lexical(side, seen.scope):
                    continue
                yield from self._asked(side, seen) if isinstance(side, ast.Call) else ()
                if isinstance(other, ast.Constant) and other.value in _LEADS_OUT:
                    yield Test(self._looked_at(side, seen.scope), seen.at, not equal)
                elif _can_be_known(other, seen.scope):
                    yield Test(self._looked_at(side, seen.scope), seen.at, equal, known=True)
        elif isinstance(operator, (ast.Is, ast.IsNot)) and isinstance(right, ast.Constant):
            yield from (replace(test, safe=None) for test in self._atoms(left, seen))

    def _asked(self, call: ast.Call, seen: _Seen) -> Iterator[Test]:
        """A call in a condition: a method that tests, a function that answers, `any(... for ...)`."""
        name = _called(call)
        if name in ("any", "all", "bool", "next"):
            for generator in (a for a in call.args[:1] if isinstance(a, (ast.GeneratorExp, ast.ListComp, ast.SetComp))):
                for part in (generator.elt, *(test for g in generator.generators for test in g.ifs)):
                    for test in self._atoms(part, replace(seen, safe=True)):
                        yield replace(test, safe=seen.safe if test.known else None)
        elif name in TESTS or (name == "endswith" and seen.address):
            if is_lexical(call, seen.scope):
                return
            if not (seen.address and name == "startswith" and all(map(_is_web_prefix, call.args))):
                yield Test(self._looked_at(call, seen.scope), seen.at)
        else:
            site = self._project.calls.site(call, seen.scope)
            if texts := self._tested_by(site, call, seen.address, (RAISES, ANSWERS)):
                yield Test(texts, seen.at)

    def _refused(self, site: CallSite, call: ast.Call, address: bool) -> frozenset[str]:
        """What a call raises for when it does not pass."""
        if isinstance(call.func, ast.Attribute) and call.func.attr == "relative_to":
            lexical = is_lexical(call, site.scope)
            return frozenset() if lexical else self._looked_at(call.func.value, site.scope)
        if REFUSE_WRONG_FORM.intersection(site.names) or self._is_enum(call, site.scope):
            return _all(self._looked_at(a, site.scope) for a in call.args[:1])
        return self._tested_by(site, call, address, (RAISES,))

    def _tested_by(self, site: CallSite, call: ast.Call, address: bool, how: tuple[str, ...]) -> frozenset[str]:
        """What the called function tests of its arguments; one that cannot be read, by its name."""
        given = [*call.args, *(k.value for k in call.keywords)]
        name = _called(call)
        if name in _RUNNERS:
            functions = [f for a in call.args[:2] for f in self._project.calls.passed(a, site.scope)]
            names = [_last(a) for a in call.args[:2]]
            read = [f for f in functions if not self._project.calls.is_stub(f)]
            tested = any(self.judged(f, p.arg, address) in how for f in read for p, _ in f.params[:_MAX_CALLS])
            by_name = not read and any(map(_says_check, names))
            return _all(self._looked_at(a, site.scope) for a in given) if tested or by_name else frozenset()
        read = [t for t in site.targets if not self._project.calls.is_stub(t)]
        if not read and not _makes(site):
            return _all(self._looked_at(a, site.scope) for a in given) if _says_check(name) else frozenset()
        found: set[str] = set()
        for target in read[:2]:
            for parameter, _ in target.params:
                argument = given_for(parameter.arg, call, target)
                if (
                    argument is not None
                    and not isinstance(argument, ast.Constant)
                    and self.judged(target, parameter.arg, address) in how
                ):
                    found |= self._looked_at(argument, site.scope)
        return frozenset(found)

    def _is_enum(self, call: ast.Call, scope: Scope) -> bool:
        entity = self._project.names.resolve(call.func, scope) if _called(call)[:1].isupper() else None
        return isinstance(entity, Class) and self._project.names.derives(entity, "enum.Enum", "enum.StrEnum")

    # What a test says of other names

    def _looked_at(self, expr: ast.expr, scope: Scope) -> frozenset[str]:
        """Names and parts in an expression; not the object of the project whose attribute is looked at."""
        own = {
            ast.unparse(n.value) for n in subtree(expr) if isinstance(n, ast.Attribute) and self._is_own(n.value, scope)
        }
        return _texts(expr) - own

    def _is_own(self, expr: ast.expr, scope: Scope) -> bool:
        return isinstance(expr, (ast.Name, ast.Attribute)) and any(
            isinstance(v, Instance) and isinstance(v.cls, Class) for v in self._project.values.of(expr, scope)
        )

    def _with_sources(self, test: Test, scope: Scope) -> Test:
        """The test, also of what the tested values were made from by work on text and paths."""
        found, todo = set(test.texts), list(test.texts)
        while todo:
            for binding in scope.bindings.get(todo.pop(), ()):
                value = binding.value if binding.kind in ("assign", "for", "with") else None
                if value is not None and self._is_text_work(value, scope):
                    new = _texts(value) - found
                    found |= new
                    todo += new
        return replace(test, texts=frozenset(found))

    def _is_text_work(self, value: ast.expr, scope: Scope, depth: int = 2) -> bool:
        """Whether a value is made from texts by operators, methods, the standard library, and functions of those."""
        nodes = subtree(value)
        awaited = [n.value for n in nodes if isinstance(n, ast.Await)]
        if any(not isinstance(a, ast.Call) or _called(a) not in _RESOLVES for a in awaited):
            return False
        calls = (n for n in nodes if isinstance(n, ast.Call) and _called(n) not in _RESOLVES)
        return all(self._works_on_text(call, scope, depth) for call in calls)

    def _works_on_text(self, call: ast.Call, scope: Scope, depth: int) -> bool:
        site = self._project.calls.site(call, scope)
        if any(n.startswith(_TEXT_WORK) for n in site.names):
            return True
        if site.targets:
            if depth == 0 or any(f.is_async or f.name == "__init__" for f in site.targets):
                return False
            made = ((r.value, f) for f in site.targets for r in f.all(ast.Return) if r.value is not None)
            return all(self._is_text_work(value, f, depth - 1) for value, f in made)
        return isinstance(call.func, ast.Attribute) and not site.names


def _conditions(scope: Scope) -> Iterator[ast.expr]:
    yield from (n.test for n in scope.all(ast.If))
    yield from (n.test for n in scope.all(ast.While))
    yield from (n.test for n in scope.all(ast.Assert))
    yield from (n.test for n in scope.all(ast.IfExp))
    yield from (test for n in scope.all(ast.comprehension) for test in n.ifs)


def _is_given_back(call: ast.Call) -> bool:
    """`name = name.replace("/", "_")`."""
    assign, owner = parent(call), call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(assign, ast.Assign) and any(ast.unparse(t) == ast.unparse(owner) for t in assign.targets if owner)


def _called(call: ast.Call) -> str:
    return _last(call.func)


def _last(expr: ast.expr) -> str:
    return expr.attr if isinstance(expr, ast.Attribute) else expr.id if isinstance(expr, ast.Name) else ""


def _makes(site: CallSite) -> bool:
    """Whether the call makes an object: what checks its fields does not check the names it was made from."""
    return any(t.name == "__init__" for t in site.targets) or _last(getattr(site.node, "func", site.node))[:1].isupper()


@lru_cache(maxsize=50_000)
def _says_check(name: str) -> bool:
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return name not in _NO_CHECK and CHECKING_NAME.search(snake) is not None


def _can_be_known(other: ast.expr, scope: Scope) -> bool:
    """Whether what is equal to it is known: a text that is not empty, or a value that was not handed over too."""
    if isinstance(other, ast.Constant):
        return isinstance(other.value, str) and other.value != ""
    root = other
    while isinstance(root, (ast.Attribute, ast.Subscript)):
        root = root.value
    return not (isinstance(root, ast.Name) and isinstance(scope, Function) and scope.param(root.id) is not None)


def _is_word(left: ast.expr) -> bool:
    """`if "url" not in body: raise` asks whether a key is there, not what it holds."""
    return isinstance(left, ast.Constant) and isinstance(left.value, str) and bool(_WORD.match(left.value))


def _is_scheme(expr: ast.expr) -> bool:
    return isinstance(expr, ast.Attribute) and expr.attr == "scheme"


def _is_web_prefix(expr: ast.expr) -> bool:
    items = expr.elts if isinstance(expr, ast.Tuple) else [expr]
    texts = [i.value for i in items if isinstance(i, ast.Constant) and isinstance(i.value, str)]
    return len(texts) == len(items) and all(t.startswith("http") and len(t) < 9 for t in texts)


def part_text(expr: ast.expr) -> str:
    """A part of a mapping as written, `body['url']` for `body.get("url")` too; "" for anything else."""
    if isinstance(expr, ast.Subscript) and isinstance(expr.slice, ast.Constant) and isinstance(expr.slice.value, str):
        return ast.unparse(expr)
    if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr in ("get", "pop"):
        key = expr.args[0] if expr.args else None
        return f"{ast.unparse(expr.func.value)}[{key.value!r}]" if isinstance(key, ast.Constant) else ""
    return ""


@lru_cache(maxsize=50_000)
def _texts(node: ast.AST) -> frozenset[str]:
    """Names, attributes and parts of mappings in an expression, as written; a part does not stand for the whole."""
    found: set[str] = set()
    todo = [node]
    while todo:
        current = todo.pop()
        part = part_text(current) if isinstance(current, ast.expr) else ""
        if part or isinstance(current, (ast.Name, ast.Attribute)):
            found.add(part or (current.id if isinstance(current, ast.Name) else ast.unparse(current)))
        if not part:
            todo += child_nodes(current)
    return frozenset(found)


def _all(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset(text for one in sets for text in one)
