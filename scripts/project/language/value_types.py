"""The kinds of value that values.py infers, and the names it treats specially."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

from project.language.names import External
from project.language.scopes import Class, Function, Module

DEPENDS = frozenset(("fastapi.Depends", "fastapi.Security"))
PROPERTIES = frozenset(
    [
        "builtins.property",
        "functools.cached_property",
        "sqlalchemy.ext.hybrid.hybrid_property",
        "pydantic.computed_field",
    ]
)
CONTEXT_MANAGERS = frozenset(("contextlib.contextmanager", "contextlib.asynccontextmanager"))
MAKERS = {
    "sqlalchemy.orm.sessionmaker": "sqlalchemy.orm.Session",
    "sqlalchemy.ext.asyncio.async_sessionmaker": "sqlalchemy.ext.asyncio.AsyncSession",
}
SAME_AS_ARGUMENT = frozenset(
    "sqlalchemy.orm.scoped_session sqlalchemy.ext.asyncio.async_scoped_session builtins.list builtins.tuple "
    "builtins.set builtins.sorted builtins.reversed builtins.iter copy.copy copy.deepcopy asyncio.shield "
    "functools.partial asyncio.wait_for".split()
)
DEFAULTS = frozenset("dataclasses.field pydantic.Field pydantic.PrivateAttr attr.ib attr.field attrs.field".split())
ENTERS = frozenset(
    f"contextlib.{stack}.{method}"
    for stack in ("ExitStack", "AsyncExitStack")
    for method in ("enter_context", "enter_async_context")
)
SAY_NOTHING = frozenset(
    "typing.Any builtins.object typing.Callable collections.abc.Callable typing.Literal builtins.None typing.Final "
    "typing.ClassVar typing.Optional typing.Union".split()
)
NO_ATTRIBUTES = frozenset(["builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol"])
UNIONS = frozenset(
    "typing.Optional typing.Union typing.ClassVar typing.Final typing.Required typing.NotRequired "
    "sqlalchemy.orm.Mapped".split()
)
TYPES = frozenset(("typing.Type", "builtins.type"))
AWAITABLES = frozenset(
    "typing.Awaitable typing.Coroutine collections.abc.Awaitable collections.abc.Coroutine asyncio.Future "
    "asyncio.Task".split()
)
PLAIN = {
    **{
        f"typing.{n}": "builtins.list"
        for n in ("List", "Sequence", "Iterable", "Collection", "MutableSequence", "Iterator")
    },
    **{f"collections.abc.{n}": "builtins.list" for n in ("Sequence", "Iterable", "Collection", "MutableSequence")},
    **{f"typing.{n}": "builtins.set" for n in ("Set", "FrozenSet", "AbstractSet")},
    **{f"{m}.{n}": "builtins.dict" for m in ("typing", "collections.abc") for n in ("Mapping", "MutableMapping")},
    "typing.Dict": "builtins.dict",
    "typing.Tuple": "builtins.tuple",
}


# Not frozen, though nothing changes them: making a frozen one takes twice as long, and there are very many.
@dataclass(slots=True, unsafe_hash=True)
class Instance:
    """An object of a class. `args`: element types of a container, or type arguments.

    `certainty` is resolved when a constructor was seen, inferred when an annotation said so.
    """

    cls: Class | External
    args: tuple[Value, ...] = ()
    certainty: str = field(default="resolved", compare=False)

    @property
    def dotted(self) -> str:
        return self.cls.dotted


@dataclass(slots=True, unsafe_hash=True)
class Bound:
    """A method of an object of `owner` (or of the class itself)."""

    function: Function
    owner: Class
    certainty: str = field(default="resolved", compare=False)

    @property
    def dotted(self) -> str:
        return self.function.dotted


@dataclass(frozen=True, slots=True)
class Awaitable:
    """What `await` turns into `value`."""

    value: Value | None

    @property
    def dotted(self) -> str:
        return "typing.Awaitable"


Value = Union[Module, Class, Function, External, Instance, Bound, Awaitable]  # noqa: UP007 - names itself
Values = tuple[Value, ...]
