"""Calls of router-building code: functions, classes, methods, decorators."""

from __future__ import annotations

import ast
from abc import abstractmethod

from project.language.names import External
from project.language.scopes import Function
from project.routing.generated import CONSTRUCTORS, OWN_PAGES, add_generated
from project.routing.interpret_eval import Expressions
from project.routing.interpret_fields import fill_fields
from project.routing.interpret_library import NATIVES
from project.routing.interpret_machine import MAX_DEPTH, OutOfBudgetError
from project.routing.interpret_routers import (
    APP_CLASSES,
    REGISTERING,
    ROUTE_CLASSES,
    ROUTER_CLASSES,
    library_attribute,
    make_router,
    note_if_registration,
    route_object,
)
from project.routing.interpret_text import plain_attribute
from project.routing.interpret_values import (
    ATOMS,
    LIBRARY_INIT,
    Bound,
    Choice,
    Cls,
    Env,
    Func,
    Generic,
    Given,
    Inst,
    Made,
    Maybe,
    Member,
    Native,
    Partial,
    Setting,
    Site,
    Unknown,
    Value,
    combine,
    is_unknown,
    plain,
)

CALL_STEPS = 6_000
REGISTERING_CALL_STEPS = 200_000
CLASS_STEPS = 40_000
SAME_FUNCTION = 3


class Calls(Expressions):
    """What calling a value gives, and what it registers."""

    @abstractmethod
    def run_body(self, body: list[ast.stmt], env: Env) -> str: ...

    def plain_attribute(self, value: Value, name: str) -> Value:
        return plain_attribute(self, value, name)

    def call(self, value: Value, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
        """`value(*args, **kwargs)`"""
        self.step()
        if isinstance(value, Func):
            return self.call_function(value, args, kwargs)
        if isinstance(value, Bound):
            return self.call(value.func, [value.receiver, *args], kwargs, site)
        if isinstance(value, Partial):
            return self.call(value.func, [*value.args, *args], {**value.kwargs, **kwargs}, site)
        if isinstance(value, (Setting, Maybe)):
            return self.call(plain(value), args, kwargs, site)
        if isinstance(value, Cls):
            return self.instantiate(value, args, kwargs, site)
        if isinstance(value, Generic):
            return self.call(value.base, args, kwargs, site)
        if isinstance(value, Choice):
            return self._call_choice(value, args, kwargs, site)
        if isinstance(value, Inst) and isinstance(value.cls, Cls):
            found = self.class_variable(value.cls, "__call__")
            if found is not None:
                return self.call(self.bind(found[0], value, value.cls), args, kwargs, site)
        return self._call_library(value, Given(self, args, kwargs, site))

    def _call_library(self, value: Value, call: Given) -> Value:
        if isinstance(value, Native):
            return value.run(call)
        if isinstance(value, External):
            return self._call_external(value, call)
        if isinstance(value, (Unknown, Made)):
            note_if_registration(self, value.dotted, call)
            return Unknown(f"{value.dotted}()" if value.dotted else "")
        return Unknown()

    def _call_external(self, value: External, call: Given) -> Value:
        native = NATIVES.get(value.dotted)
        if native is not None:
            return native(call)
        if value.dotted in APP_CLASSES or value.dotted in ROUTER_CLASSES:
            inst = Inst(value, place=call.place())
            make_router(call, inst, value.dotted in APP_CLASSES)
            add_generated(call, inst)
            return inst
        if value.dotted in ROUTE_CLASSES:
            return route_object(call, value, value.dotted)
        if value.dotted in OWN_PAGES:
            self.note(call.site, OWN_PAGES[value.dotted])
        note_if_registration(self, value.dotted, call)
        return Made(value.dotted, call.args, call.kwargs, call.place())

    def _call_choice(self, value: Choice, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
        options = [o for o in value.options if o is not None]
        if len(options) == 1:
            return self.call(options[0], args, kwargs, site)
        self.conditional += 1
        try:
            return combine(*[self.call(o, args, kwargs, site) for o in options])
        finally:
            self.conditional -= 1

    # Functions

    def call_function(self, func: Func, args: list[Value], kwargs: dict[str, Value]) -> Value:
        function = func.function
        key = _cache_key(args, kwargs) if func.cached else None
        if key is not None and key in func.memo:
            return func.memo[key]
        if self.depth > MAX_DEPTH or self.active.count(function) >= SAME_FUNCTION:
            return Unknown(f"{function.dotted}()")
        env = Env(function, func.env)
        env.owner = func.owner
        self._bind_arguments(func, env, args, kwargs)
        if isinstance(function.node, ast.Lambda):
            return self._run_guarded(func, env, function.node.body)
        if function.is_generator:
            env.yields = []
        result = self._run_guarded(func, env, None)
        if isinstance(result, Unknown) and function.node.returns is not None:
            result = self._declared(function.node.returns, env) or result
        if key is not None:
            func.memo[key] = result
        return result

    def _declared(self, returns: ast.expr, env: Env) -> Inst | None:
        """The callable object that a function says it returns, where how it makes it was not understood.

        Parameters of the constructor that the function has as well are taken to be handed on.
        """
        assert env.parent is not None
        cls = plain(self.annotation(returns, env.parent))
        if not isinstance(cls, Cls) or any(b in APP_CLASSES or b in ROUTER_CLASSES for b in self.library_bases(cls)):
            return None
        if self.class_variable(cls, "__call__") is None:
            return None
        init = self.class_variable(cls, "__init__")
        named = {a.arg for a, _ in init[0].function.params} if init is not None and isinstance(init[0], Func) else set()
        return Inst(cls, {name: v for name, v in env.vars.items() if name in named}, declared=True)

    def _run_guarded(self, func: Func, env: Env, expression: ast.expr | None) -> Value:
        """Run a body within the limits of depth and steps; what costs more than one call may is left unknown."""
        function = func.function
        limit, granted = self.limit, self.granted
        registers = id(function) in self.builders or any(_holds_router(v) for v in env.vars.values())
        self.limit = min(limit, self.steps + (REGISTERING_CALL_STEPS if registers else CALL_STEPS))
        self.depth += 1
        self.active.append(function)
        self.called.add(id(function))
        conditional, branches = self.conditional, self.branches
        self.branches = 0
        try:
            if expression is not None:
                return self.eval(expression, env)
            ended = self.run_body(function.body, env)
        except (OutOfBudgetError, RecursionError):
            if limit + self.granted - granted <= self.steps:
                raise
            ended = "raise"
            if any(isinstance(c.func, ast.Attribute) and c.func.attr in REGISTERING for c in function.all(ast.Call)):
                self.note((func.env, function.node), f"{function.name} takes too long to follow")
        finally:
            self.limit = limit + self.granted - granted
            self.depth -= 1
            self.active.pop()
            self.conditional, self.branches = conditional, branches
        if env.yields is not None:
            return env.yields
        returns = env.returns if ended == "return" else [*env.returns, None] if ended != "raise" else env.returns
        if not returns:
            return Unknown(f"{function.dotted}()") if ended == "raise" else None
        return combine(*returns)

    def _bind_arguments(self, func: Func, env: Env, args: list[Value], kwargs: dict[str, Value]) -> None:
        node = func.function.node.args
        variables = env.vars
        positional = [*node.posonlyargs, *node.args]
        for arg, value in zip(positional, args, strict=False):
            variables[arg.arg] = value
        rest = dict(kwargs)
        for arg in (*positional[len(args) :], *node.kwonlyargs):
            if arg.arg in rest:
                variables[arg.arg] = rest.pop(arg.arg)
                continue
            defaults = self.defaults(func)
            variables[arg.arg] = defaults[arg.arg] if arg.arg in defaults else Unknown(arg.arg)
        if node.vararg is not None:
            variables[node.vararg.arg] = tuple(args[len(positional) :])
        if node.kwarg is not None:
            variables[node.kwarg.arg] = rest

    def decorate(self, value: Value, decorators: list[ast.expr], env: Env) -> Value:
        """Apply decorators, the last first. One that is not understood leaves the function as it is."""
        for node in reversed(decorators):
            decorator = self.eval(node, env)
            self.seen.add(id(node))
            result = self._apply(decorator, value, (env, node))
            if isinstance(result, (Func, Cls, Bound, Partial, Inst, Native)):
                value = result
            elif isinstance(value, Func):
                value.wrappers.append(_name_of(decorator))
            elif isinstance(value, Cls):
                value.decorators.append(_name_of(decorator))
        return value

    def _apply(self, decorator: Value, value: Value, site: Site) -> Value:
        if isinstance(value, Func) and isinstance(decorator, External):
            kind = _KINDS.get(decorator.dotted)
            if kind is not None:
                value.kind = kind
                return value
            if decorator.dotted in _CACHES:
                value.cached = True
                return value
        if isinstance(value, Func) and isinstance(decorator, Made) and decorator.dotted in _CACHES:
            value.cached = True
            return value
        return self.call(decorator, [value], {}, site)

    # Classes

    def instantiate(self, cls: Cls, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
        bases = self.library_bases(cls)
        if any(b.startswith("enum.") for b in bases):
            return self._member_of(cls, args)
        if any(b in ROUTE_CLASSES for b in bases):
            return self._route_of(cls, args, kwargs, site)
        meta = self.class_variable(cls, "__new__")
        if meta is not None and isinstance(meta[0], Func):
            made = self.call(meta[0], [cls, *args], kwargs, site)
            if not (isinstance(made, Inst) and made.cls is cls):
                return made if not is_unknown(made) else self._plain_instance(cls, args, kwargs, site)
            return self._initialise(made, cls, args, kwargs, site)
        return self._plain_instance(cls, args, kwargs, site)

    def _plain_instance(self, cls: Cls, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
        return self._initialise(self._bare(cls, site), cls, args, kwargs, site)

    def _bare(self, cls: Cls, site: Site) -> Inst:
        """An object before its `__init__`."""
        bases = self.library_bases(cls)
        inst = Inst(cls, place=self.place(site))
        constructor = next((CONSTRUCTORS[b] for b in bases if b in CONSTRUCTORS), None)
        if constructor is not None:
            inst.attrs[LIBRARY_INIT] = Native("__init__", lambda call: constructor(call, inst))
        is_app = any(b in APP_CLASSES for b in bases)
        if is_app or any(b in ROUTER_CLASSES for b in bases):
            make_router(Given(self, [], {}, site), inst, is_app)
        return inst

    def _initialise(self, inst: Inst, cls: Cls, args: list[Value], kwargs: dict[str, Value], site: Site) -> Inst:
        init = self.class_variable(cls, "__init__")
        if init is not None and isinstance(init[0], Func):
            self.call(Bound(init[0], inst), args, kwargs, site)
            return inst
        if inst.state is not None:
            self.call(library_attribute(inst, "__init__"), args, kwargs, site)
            return inst
        if LIBRARY_INIT in inst.attrs:
            self.call(inst.attrs[LIBRARY_INIT], args, kwargs, site)
            return inst
        fill_fields(self, inst, cls, args, kwargs)
        return inst

    def _route_of(self, cls: Cls, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
        """A route object of a project class: what its `__init__` hands to the library's."""
        dotted = next(b for b in self.library_bases(cls) if b in ROUTE_CLASSES)
        made: list[Value] = []

        def hand_over(call: Given) -> None:
            made.append(route_object(Given(self, call.args, call.kwargs, site), cls, dotted))

        library = Native("APIRoute.__init__", hand_over)
        inst = Inst(cls, {LIBRARY_INIT: library}, place=self.place(site))
        own = self.class_variable(cls, "__init__")
        self.call(self.bind(own[0], inst, cls) if own is not None else library, args, kwargs, site)
        return made[-1] if made else inst

    def _member_of(self, cls: Cls, args: list[Value]) -> Value:
        for member in self.items(cls) or []:
            if isinstance(member, Member) and args and plain(member.value) == plain(args[0]):
                return member
        return Unknown(f"{cls.scope.dotted}()")

    def made_class(self, cls: Cls, site: Site) -> bool:
        """Tell a metaclass and base classes of a new class, as Python does; False when none wants to know."""
        options = {k: v for k, v in cls.keywords.items() if k != "metaclass"}
        named = [plain(c.keywords.get("metaclass")) for c in self.mro(cls) if isinstance(c, Cls)]
        meta = next((m for m in named if isinstance(m, Cls)), None)
        hook = self.class_variable(cls, "__init_subclass__", after=cls)
        if meta is not None:
            self.run_class_body(cls)
            self.making.append(cls)
            for name in ("__new__", "__init__"):
                found = self.class_variable(meta, name)
                if found is not None:
                    given = [meta if name == "__new__" else cls, cls.scope.name, tuple(cls.bases), dict(cls.body.vars)]
                    self.call(found[0], given, options, site)
            self.making.pop()
        if hook is not None:
            self.run_class_body(cls)
            self.call(hook[0], [cls], options, site)
        return meta is not None or hook is not None

    def new_object(self, cls: Value, site: Site) -> Value:
        """`super().__new__(cls)`: the class that is being made, or an object before its `__init__`."""
        if self.making:
            return self.making[-1]
        return self._bare(cls, site) if isinstance(cls, Cls) else Unknown("__new__()")

    def run_class_body(self, cls: Cls) -> None:
        if cls.ready:
            return
        cls.ready = True
        cls.body.owner = cls
        limit, granted = self.limit, self.granted
        self.limit = min(limit, self.steps + CLASS_STEPS)
        self.depth += 1
        try:
            if self.depth < MAX_DEPTH:
                self.run_body(cls.scope.node.body, cls.body)
        except (OutOfBudgetError, RecursionError):
            if limit + self.granted - granted <= self.steps:
                raise
        finally:
            self.limit = limit + self.granted - granted
            self.depth -= 1
        for name, value in list(cls.body.vars.items()):
            if isinstance(value, Inst) and isinstance(value.cls, Cls):
                told = self.class_variable(value.cls, "__set_name__")
                if told is not None:
                    self.call(Bound(told[0], value), [cls, name], {}, (cls.env, cls.scope.node))
        if any(b.startswith("enum.") for b in self.library_bases(cls)):
            for name, value in cls.body.vars.items():
                if not name.startswith("_") and not isinstance(value, (Func, Cls, Member)):
                    cls.body.vars[name] = Member(cls, name, value)

    def make_method(self, function: Function, env: Env) -> Func:
        func = Func(function, env)
        if env.owner is not None and env.scope is env.owner.scope:
            func.owner = env.owner
        else:
            func.owner = None
            self.bind_defaults(func)
        return func


_KINDS = {
    "builtins.staticmethod": "static",
    "builtins.classmethod": "class",
    "builtins.property": "property",
    "functools.cached_property": "property",
    "pydantic.computed_field": "property",
}
_CACHES = frozenset(("functools.lru_cache", "functools.cache"))


def _name_of(value: Value) -> str:
    if isinstance(value, External):
        return value.dotted
    if isinstance(value, (Made, Unknown)):
        return value.dotted
    if isinstance(value, Func):
        return value.function.dotted
    return ""


def _cache_key(args: list[Value], kwargs: dict[str, Value]) -> tuple[object, ...] | None:
    """What a cached function's result is kept under; None when an argument is more than text or a number."""
    given = [*args, *kwargs, *kwargs.values()]
    return tuple(given) if all(isinstance(a, ATOMS) for a in given) else None


def _holds_router(value: Value) -> bool:
    """Whether a value is an application or router, or an object that has one."""
    value = plain(value)
    if not isinstance(value, Inst):
        return False
    return value.state is not None or any(isinstance(v, Inst) and v.state is not None for v in value.attrs.values())
