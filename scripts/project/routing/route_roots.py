"""Where the interpreter starts: the modules that have to do with FastAPI, then factories that nothing has called."""

from __future__ import annotations

import ast
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial

from project.language.names import External
from project.language.scopes import Class, Function, Module, Scope
from project.routing.builders import builders
from project.routing.interpret import Interpreter
from project.routing.interpret_machine import STATEMENT_STEPS, OutOfBudgetError
from project.routing.interpret_registration import VERBS
from project.routing.interpret_routers import APP_CLASSES, REGISTERING, ROUTER_CLASSES
from project.routing.interpret_values import Bound, Cls, Func, Inst, Setting, options_of, plain

_FRAMEWORKS = frozenset(
    "fastapi starlette cadwyn fastapi_utils fastapi_restful fastapi_versioning fastapi_offline classy_fastapi".split()
)
_KINDS = ("app", "script")
START_UP_STEPS = 40_000


def run_project(run: Interpreter) -> None:
    """Run every module that matters, then the application factories nobody has called."""
    modules = list(run.project.modules.values())
    users = [m for m in modules if _uses_framework(m)]
    run.eager = frozenset(_importers(run, modules, users))
    run.builders = builders(m for m in modules if m.path in run.eager)
    roots = [m for m in users if m.kind in _KINDS] or [m for m in users if m.kind != "test"] or users
    makers = {m.path for m in roots if _makes_app(run, m)}
    for module in sorted(roots, key=lambda m: (m.path not in makers, m.path)):
        _guarded(run, partial(run.run_module, run.module_value(module)))
    for module in modules:
        if module.path in run.eager and module.kind in _KINDS:
            _guarded(run, partial(run.run_module, run.module_value(module)))
    _run_startup(run)
    _run_factories(run, roots)
    _run_startup(run)
    _note_not_run(run, roots)


def _guarded(run: Interpreter, act: Callable[[], object], steps: int = STATEMENT_STEPS * 4) -> None:
    """Start from a clean state; what costs too much stops this start only."""
    run.depth = run.conditional = run.steps = 0
    run.limit = steps
    with contextlib.suppress(OutOfBudgetError, RecursionError):
        act()
    run.spent += run.steps
    run.active.clear()


def _uses_framework(module: Module) -> bool:
    for scope in module.importing:
        for node in scope.all(ast.ImportFrom):
            if not node.level and node.module and node.module.split(".", 1)[0] in _FRAMEWORKS:
                return True
        for plain_import in scope.all(ast.Import):
            if any(a.name.split(".", 1)[0] in _FRAMEWORKS for a in plain_import.names):
                return True
    return False


def _importers(run: Interpreter, modules: Iterable[Module], users: list[Module]) -> set[str]:
    """Paths of the modules that use the framework and of all that import one of those, directly or not."""
    importers: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        for imported in run.imports(module):
            importers[imported.path].append(module.path)
    found = {m.path for m in users}
    stack = list(found)
    while stack:
        for path in importers.get(stack.pop(), ()):
            if path not in found:
                found.add(path)
                stack.append(path)
    return found


def _makes_app(run: Interpreter, scope: Scope) -> bool:
    classes = (calls for name, calls in scope.called.items() if name[:1].isupper())
    return any(_is_app_class(run, call.func, scope) for calls in classes for call in calls)


def _is_app_class(run: Interpreter, func: ast.expr, scope: Scope) -> bool:
    entity = run.names.resolve(func, scope)
    if isinstance(entity, External):
        return entity.dotted in APP_CLASSES
    return isinstance(entity, Class) and run.names.derives(entity, *APP_CLASSES)


# Factories


def _run_factories(run: Interpreter, roots: list[Module]) -> None:
    """Call functions that make an application and were not called: the outermost first, with no arguments."""
    makers = [f for m in roots for f in m.functions if (not f.is_lambda or f.owner is not None) and _makes_app(run, f)]
    pending = [f for f in makers if id(f) not in run.called]
    if not pending:
        return
    callers = _callers(run, pending)
    started: set[int] = set()
    for maker in pending:
        for function in _outermost(maker, callers):
            if id(maker) in run.called or id(function) in started:
                continue
            started.add(id(function))
            _guarded(run, partial(_start, run, function))
    for maker in pending:
        if id(maker) not in run.called:
            _guarded(run, partial(_start, run, maker))


def _callers(run: Interpreter, targets: list[Function]) -> dict[int, list[Function]]:
    """Functions that call these ones (or make the class whose `__init__` they are), those that call them, and so on."""
    by_name: dict[str, list[tuple[Function, ast.expr]]] = defaultdict(list)
    for module in run.project.modules.values():
        if module.kind in _KINDS and module.path in run.eager:
            renamed = {a.asname: a.name for i in module.all(ast.ImportFrom) for a in i.names if a.asname}
            for function in module.functions:
                for call in function.all(ast.Call):
                    name: str = getattr(call.func, "id", getattr(call.func, "attr", ""))
                    by_name[renamed.get(name, name)].append((function, call.func))
    callers: dict[int, list[Function]] = {}
    stack = list(targets)
    while stack:
        target = stack.pop()
        if id(target) in callers or len(callers) > 500:
            continue
        callers[id(target)] = found = []
        name = target.owner.name if target.name == "__init__" and target.owner is not None else target.name
        for function, func in by_name.get(name, ()):
            if function is not target and _means(run, func, function, target):
                found.append(function)
                stack.append(function)
    return callers


def _means(run: Interpreter, func: ast.expr, scope: Scope, target: Function) -> bool:
    entity = run.names.resolve(func, scope)
    if entity is target or (target.owner is not None and entity is target.owner):
        return True
    return (
        target.owner is not None
        and isinstance(func, ast.Attribute)
        and isinstance(func.value, ast.Name)
        and func.value.id in ("self", "cls")
    )


def _outermost(function: Function, callers: dict[int, list[Function]]) -> list[Function]:
    """The function itself, or what calls it without needing arguments and is itself called by nothing.

    A class is followed to what makes its objects even where that needs arguments: there their methods are called.
    """
    found: list[Function] = []
    seen: set[int] = set()
    stack = [function]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        is_made = current.name == "__init__" and current.owner is not None
        above = [c for c in callers.get(id(current), ()) if id(c) not in seen and (is_made or not _needs_arguments(c))]
        if above:
            stack.extend(above)
        else:
            found.append(current)
    return found


def _needs_arguments(function: Function) -> bool:
    params = function.params[1:] if function.owner is not None else function.params
    return any(default is None for _, default in params)


def _start(run: Interpreter, function: Function) -> None:
    """Call a function as a server would: without arguments; a method on an object made without arguments.

    What depends on arguments that are not known, or on an object nobody was seen to make, is conditional. Arguments
    that are None when not given are left open.
    """
    run.run_module(run.module_value(function.module))
    site = (run.module_value(function.module).env, function.node)
    owner = function.owner
    run.conditional = int(owner is not None or _needs_arguments(function))
    if owner is None:
        value = run.definition(function)
        if isinstance(value, Func):
            given = {name: Setting(None, name) for name, default in run.defaults(value).items() if default is None}
            run.call(value, [], dict(given), site)
        return
    cls = run.definition(owner)
    if not isinstance(cls, Cls):
        return
    made = run.call(cls, [], {}, site)
    if function.name != "__init__" and not function.is_lambda and isinstance(made, Inst):
        run.call(run.attribute(made, function.name), [], {}, site)


def _run_startup(run: Interpreter) -> None:
    """Run lifespans and start-up handlers: what they register is there once the server has started."""
    for inst in [i for i in run.routers if i.state is not None and i.state.is_app]:
        state = inst.state
        assert state is not None
        replaced = state.router.attrs.get("lifespan_context") if state.router is not None else None
        values = [
            state.kwargs.get("lifespan"),
            replaced,
            *(value for kind, value, _ in state.events if kind == "startup"),
        ]
        for value in values:
            for option in options_of(plain(value)):
                if isinstance(option, (Func, Bound)):
                    maybe = state.conditional or option is not value
                    _guarded(run, partial(_start_up, run, option, inst, maybe), START_UP_STEPS)


def _start_up(run: Interpreter, value: Func | Bound, inst: Inst, maybe: bool) -> None:
    """Run a start-up handler; `maybe` when something decides whether it runs."""
    run.conditional = int(maybe)
    func = value.func if isinstance(value, Bound) else value
    if not isinstance(func, Func) or id(func.function) in run.called:
        return
    if id(func.function) not in run.builders and not _may_register(run, func):
        return
    takes = len(func.function.params) - isinstance(value, Bound)
    run.call(value, [inst] if takes > 0 else [], {}, (func.env, func.function.node))


def _may_register(run: Interpreter, func: Func) -> bool:
    """Whether start-up code registers something itself or gives an application or router to what it calls."""
    params = {a.arg for a, _ in func.function.params}
    for call in func.function.all(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in (*REGISTERING, *VERBS, "mount", "websocket"):
            return True
        for given in (*call.args, *(k.value for k in call.keywords)):
            if isinstance(given, ast.Name) and given.id not in func.function.bindings.keys() - params:
                value = run.lookup(func.env, given.id) if given.id not in params else None
                if given.id in params or (isinstance(value, Inst) and value.state is not None):
                    return True
    return False


# What was not reached


def _note_not_run(run: Interpreter, roots: list[Module]) -> None:
    """Note registrations that stand in code which nothing was seen to run."""
    for module in roots:
        for function in module.functions:
            for decorator in function.decorators:
                outside = function.parent or module
                if isinstance(decorator, ast.Call) and _looks_like_route(run, decorator, outside):
                    _note_call(run, decorator, outside)
            for call in function.all(ast.Call) if not REGISTERING.isdisjoint(function.called) else ():
                func = call.func
                if isinstance(func, ast.Attribute) and func.attr in REGISTERING and _may_be_router(run, func, function):
                    _note_call(run, call, function)


def _note_call(run: Interpreter, call: ast.Call, scope: Scope) -> None:
    if id(call) not in run.seen:
        why = f"nothing seen runs the code it stands in ({scope.qualname})"
        if isinstance(scope, Module) or id(scope) in run.called:
            why = "it stands in a branch that is not taken by the values seen"
        run.unknown.append((scope.module.path, call.lineno, why))


def _looks_like_route(run: Interpreter, call: ast.Call, scope: Scope) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in (*VERBS, "api_route", "websocket"):
        return False
    path = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "path"), None)
    if isinstance(path, ast.Constant) and not (isinstance(path.value, str) and path.value[:1] in ("", "/")):
        return False
    return path is not None and _may_be_router(run, call.func, scope)


def _may_be_router(run: Interpreter, method: ast.Attribute, scope: Scope) -> bool:
    """False when what the method belongs to is made by a library that is not FastAPI."""
    entity = run.names.resolve(method.value, scope)
    if isinstance(entity, External):
        return entity.dotted in ROUTER_CLASSES
    return not isinstance(entity, (Module, Class, Function))
