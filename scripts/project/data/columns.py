"""Reading what SQLAlchemy and SQLModel classes declare: columns, relationships and indexes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from project.data.table_parts import Column, Index, Relationship, cascades
from project.language.literals import entry, keyword, text, texts, truth
from project.language.names import External, Names, Variable
from project.language.scopes import Class, Function, Scope
from project.language.values import ValueFacts
from project.place import Place

MAPPED = frozenset("Mapped WriteOnlyMapped DynamicMapped".split())
_COLUMN_CALLS = frozenset("Column mapped_column MappedColumn".split())
_RELATION_CALLS = frozenset("relationship relation dynamic_loader".split())
_INDEX_CALLS = frozenset("Index UniqueConstraint PrimaryKeyConstraint ForeignKeyConstraint".split())
_WRAPPERS = frozenset("deferred column_property".split())
_LISTS = frozenset(
    "builtins.list builtins.set typing.List typing.Set typing.Sequence collections.abc.Sequence "
    "typing.Collection".split()
)


class Declarations:
    """Reads the declarations of SQLAlchemy and SQLModel."""

    def __init__(self, names: Names, values: ValueFacts) -> None:
        self.names = names
        self.values = values

    def of(self, cls: Class) -> Iterator[Column | Relationship]:
        """Columns and relationships a class body declares, without those of its bases."""
        for name, bindings in cls.bindings.items():
            binding = bindings[-1]
            if binding.kind == "assign" and binding.index is None:
                yield from self._declared(cls, name, binding.value, binding.annotation, binding.node)
            elif (
                binding.kind == "function" and (method := cls.methods.get(name)) is not None and self._declares(method)
            ):
                for given in method.all(ast.Return):
                    yield from self._declared(method, name, given.value, method.returns, method.node, cls)

    def _declares(self, method: Function) -> bool:
        outer = method.parent or method.module
        return any(
            (self.names.canonical(d, outer) or "").rsplit(".", 1)[-1] == "declared_attr" or _is_directive(d)
            for d in method.decorators
        )

    def _declared(
        self,
        scope: Scope,
        name: str,
        value: ast.expr | None,
        annotation: ast.expr | None,
        node: ast.AST,
        owner: Class | None = None,
    ) -> Iterator[Column | Relationship]:
        owner = owner or (scope if isinstance(scope, Class) else None)
        call, outer = self.call(value, scope)
        last = self.last_name(call.func, outer) if call is not None else ""
        place = scope.place(node)
        if last in _RELATION_CALLS and call is not None:
            yield replace(self.relationship(name, call, outer, annotation, place), owner=owner)
        elif last == "Relationship" and call is not None:
            yield replace(self._sqlmodel_relationship(name, call, outer, annotation, place), owner=owner)
        elif last in _COLUMN_CALLS and call is not None:
            yield replace(self.column(name, call, outer, annotation, scope, place), owner=owner)
        elif annotation is not None and self._kind_of_annotation(annotation, scope) in MAPPED:
            yield replace(self.column(name, None, scope, annotation, scope, place), owner=owner)
        elif owner is not None and (annotation is not None or last == "Field") and self.is_sqlmodel(owner):
            hidden = name.startswith("_") or name == "model_config"
            if not hidden and not self._is_classvar(annotation, scope):
                yield replace(
                    self._sqlmodel_column(
                        name, call if last == "Field" else None, value, outer, annotation, scope, place
                    ),
                    owner=owner,
                )

    def is_sqlmodel(self, cls: Class) -> bool:
        return any(
            isinstance(b, External) and b.dotted in ("sqlmodel.SQLModel", "sqlmodel.main.SQLModel")
            for b in self.names.mro(cls)
        )

    def _is_classvar(self, annotation: ast.expr | None, scope: Scope) -> bool:
        base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
        return base is not None and (self.names.canonical(base, scope) or "").endswith(".ClassVar")

    def call(self, value: ast.expr | None, scope: Scope, depth: int = 0) -> tuple[ast.Call | None, Scope]:
        """The declaring call behind a value: itself, inside `deferred(...)`, or returned by a helper of the project."""
        if not isinstance(value, ast.Call) or depth > 3:
            return None, scope
        last = self.last_name(value.func, scope)
        if last in _WRAPPERS and value.args:
            return self.call(value.args[0], scope, depth + 1)
        if last or depth:
            return (value, scope) if last else (None, scope)
        helper = self.names.resolve(value.func, scope)
        if isinstance(helper, Function):
            for given in helper.all(ast.Return):
                call, inner = self.call(given.value, helper, depth + 1)
                if call is not None:
                    return call, inner
        return None, scope

    def last_name(self, func: ast.expr, scope: Scope) -> str:
        """Last part of a library name of SQLAlchemy or SQLModel, "" for anything else."""
        dotted = self.names.canonical(func, scope) or ""
        return dotted.rsplit(".", 1)[-1] if dotted.startswith(("sqlalchemy.", "sqlmodel.", "advanced_alchemy.")) else ""

    def _kind_of_annotation(self, annotation: ast.expr, scope: Scope) -> str:
        annotation = self._plain(annotation)
        return self.last_name(annotation.value, scope) if isinstance(annotation, ast.Subscript) else ""

    def _plain(self, annotation: ast.expr) -> ast.expr:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            return self.values.parsed(annotation) or annotation
        return annotation

    # Columns

    def column(
        self, name: str, call: ast.Call | None, outer: Scope, annotation: ast.expr | None, scope: Scope, place: Place
    ) -> Column:
        """A `Column`, `mapped_column` or bare `Mapped[...]`; what an `Annotated` alias says is taken in."""
        inner, optional = self.inner(annotation, scope)
        alias, alias_scope = self._alias_call(inner, scope)
        parts = [(c, s) for c, s in ((call, outer), (alias, alias_scope)) if c is not None]
        mapped = annotation is not None and self._kind_of_annotation(annotation, scope) in MAPPED
        primary = any(truth(keyword(c, "primary_key")) or self._has_key(c) for c, _ in parts)
        stated = next((t for c, _ in parts if (t := truth(keyword(c, "nullable"))) is not None), None)
        nullable = stated if stated is not None else False if primary else optional if mapped else True
        kind, kind_scope = self._type(parts) or (inner, scope)
        return Column(
            name=name,
            column=self._column_name(parts) or name,
            place=place,
            scope=scope,
            type=kind,
            type_name=self._type_name(kind, kind_scope),
            nullable=nullable,
            unique=any(truth(keyword(c, "unique")) for c, _ in parts),
            index=any(truth(keyword(c, "index")) for c, _ in parts),
            primary_key=primary,
            foreign_key=next((f for c, s in parts if (f := self._foreign_key(c, s)) is not None), None),
            default=next((d for c, _ in parts if (d := keyword(c, "default", "insert_default")) is not None), None),
            server_default=any(keyword(c, "server_default") is not None or self._computed(c, s) for c, s in parts),
        )

    def _column_name(self, parts: list[tuple[ast.Call, Scope]]) -> str | None:
        for call, scope in parts:
            first = call.args[0] if call.args else keyword(call, "name", "_Column__name")
            found = text(first, scope, self.names)
            if found:
                return found
        return None

    def _has_key(self, call: ast.Call) -> bool:
        return any(
            isinstance(a, ast.Call) and isinstance(a.func, ast.Attribute) and a.func.attr == "Identity"
            for a in call.args
        )

    def _computed(self, call: ast.Call, scope: Scope) -> bool:
        made = {self.last_name(a.func, scope) for a in call.args if isinstance(a, ast.Call)}
        return bool(made & {"Computed", "Identity", "FetchedValue"})

    def _type(self, parts: list[tuple[ast.Call, Scope]]) -> tuple[ast.expr, Scope] | None:
        for call, scope in parts:
            for given in [*call.args, *(k.value for k in call.keywords if k.arg in ("type_", "type"))]:
                head = given.func if isinstance(given, ast.Call) else given
                if isinstance(given, (ast.Constant, ast.Starred, ast.JoinedStr)):
                    continue
                if self.last_name(head, scope) not in _NOT_TYPES:
                    return given, scope
        return None

    def _type_name(self, kind: ast.expr | None, scope: Scope) -> str:
        """Canonical name of a type; `with_variant` and `as_mutable` are looked through, mutable ones start with
        `mutable:`.
        """
        if kind is None:
            return ""
        if isinstance(kind, ast.Call) and isinstance(kind.func, ast.Attribute):
            if kind.func.attr == "with_variant":
                return self._type_name(kind.func.value, scope)
            if kind.func.attr in ("as_mutable", "associate_with") and kind.args:
                return f"mutable:{self._type_name(kind.args[0], scope)}"
        head = kind.func if isinstance(kind, ast.Call) else kind.value if isinstance(kind, ast.Subscript) else kind
        return self.names.canonical(head, scope) or ""

    def _foreign_key(self, call: ast.Call, scope: Scope) -> str | None:
        for given in call.args:
            if isinstance(given, ast.Call) and self.last_name(given.func, scope) == "ForeignKey":
                return self.key_target(given.args[0] if given.args else keyword(given, "column"), scope)
        return None

    def key_target(self, target: ast.expr | None, scope: Scope) -> str:
        """`table.column` of what a ForeignKey names, or "?"."""
        found = text(target, scope, self.names)
        if found:
            return found
        if isinstance(target, ast.Attribute):
            owner = self.names.resolve(target.value, scope)
            if isinstance(owner, Class):
                return f"{owner.name}.{target.attr}"
        return "?"

    def inner(self, annotation: ast.expr | None, scope: Scope) -> tuple[ast.expr | None, bool]:
        """What stands in `Mapped[...]` or a plain annotation, `Optional` taken off, and whether it was optional."""
        if annotation is None:
            return None, False
        annotation = self._plain(annotation)
        if isinstance(annotation, ast.Subscript) and self.last_name(annotation.value, scope) in MAPPED:
            annotation = self._plain(annotation.slice)
        if isinstance(annotation, ast.Subscript) and (self.names.canonical(annotation.value, scope) or "").endswith(
            ".Optional"
        ):
            return self._plain(annotation.slice), True
        if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
            sides = [annotation.left, annotation.right]
            kept = [s for s in sides if not (isinstance(s, ast.Constant) and s.value is None)]
            if len(kept) == 1:
                return self._plain(kept[0]), True
        if isinstance(annotation, ast.Subscript) and (self.names.canonical(annotation.value, scope) or "").endswith(
            ".Union"
        ):
            items = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
            kept = [i for i in items if not (isinstance(i, ast.Constant) and i.value is None)]
            return (self._plain(kept[0]) if kept else None), len(kept) < len(items)
        return annotation, False

    def _alias_call(self, inner: ast.expr | None, scope: Scope) -> tuple[ast.Call | None, Scope]:
        """The `mapped_column(...)` of an `Annotated` type, also through an alias of another module."""
        if isinstance(inner, (ast.Name, ast.Attribute)):
            entity = self.names.resolve(inner, scope)
            if isinstance(entity, Variable) and len(entity.bindings) == 1 and entity.bindings[0].value is not None:
                value = entity.bindings[0].value
                return self._alias_call(value, entity.scope) if isinstance(value, ast.Subscript) else (None, scope)
        if isinstance(inner, ast.Subscript) and self.names.canonical(inner.value, scope) == "typing.Annotated":
            items = inner.slice.elts if isinstance(inner.slice, ast.Tuple) else []
            for item in items[1:]:
                if isinstance(item, ast.Call) and self.last_name(item.func, scope) in (
                    "mapped_column",
                    "Field",
                    "Column",
                ):
                    return item, scope
        return None, scope

    def _sqlmodel_column(
        self,
        name: str,
        call: ast.Call | None,
        value: ast.expr | None,
        outer: Scope,
        annotation: ast.expr | None,
        scope: Scope,
        place: Place,
    ) -> Column:
        inner, optional = self.inner(annotation, scope)
        alias, alias_scope = self._alias_call(inner, scope)
        if call is None and alias is not None:
            call, outer = alias, alias_scope
        if call is None:
            return Column(
                name, name, place, scope, self._type_name(inner, scope), inner, nullable=optional, default=value
            )
        whole = keyword(call, "sa_column")
        made, made_scope = self.call(whole, outer)
        if made is not None:
            found = self.column(name, made, made_scope, None, scope, place)
            return replace(found, default=found.default if found.default is not None else keyword(call, "default"))
        arguments = keyword(call, "sa_column_args")
        extra = arguments.elts if isinstance(arguments, (ast.List, ast.Tuple)) else []
        foreign = keyword(call, "foreign_key")
        key = text(foreign, outer, self.names) or "?" if foreign is not None else None
        if key is None:
            key = next(
                (
                    self.key_target(e.args[0], outer)
                    for e in extra
                    if isinstance(e, ast.Call) and e.args and self.last_name(e.func, outer) == "ForeignKey"
                ),
                None,
            )
        options = keyword(call, "sa_column_kwargs")
        kind = keyword(call, "sa_type")
        stated = truth(keyword(call, "nullable"))
        if stated is None:
            stated = truth(entry(options, "nullable"))
        primary = bool(truth(keyword(call, "primary_key")))
        default = keyword(call, "default") or (
            call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None
        )
        return Column(
            name=name,
            column=text(entry(options, "name"), outer, self.names) or name,
            place=place,
            scope=scope,
            type=kind if kind is not None else inner,
            type_name=self._type_name(kind, outer) if kind is not None else self._type_name(inner, scope),
            nullable=stated if stated is not None else False if primary else optional,
            unique=bool(truth(keyword(call, "unique")) or truth(entry(options, "unique"))),
            index=bool(truth(keyword(call, "index")) or truth(entry(options, "index"))),
            primary_key=primary,
            foreign_key=key,
            default=default,
            server_default=entry(options, "server_default") is not None,
        )

    # Relationships

    def relationship(
        self, name: str, call: ast.Call, outer: Scope, annotation: ast.expr | None, place: Place
    ) -> Relationship:
        """A `relationship(...)` call with the annotation it stands under."""
        call = self._spread(call, outer)
        first = call.args[0] if call.args else keyword(call, "argument")
        inner, _ = self.inner(annotation, outer)
        listed, element = self._listed(inner, outer)
        use = truth(keyword(call, "uselist"))
        back = keyword(call, "backref")
        kind = self._kind_of_annotation(annotation, outer) if annotation is not None else ""
        default = {"WriteOnlyMapped": "write_only", "DynamicMapped": "dynamic"}.get(kind, "select")
        if self.last_name(call.func, outer) == "dynamic_loader":
            default = "dynamic"
        return Relationship(
            name=name,
            place=place,
            target=self._target(first, outer) or self._target(element, outer),
            uselist=use if use is not None else listed if annotation is not None and inner is not None else None,
            lazy=self._lazy(keyword(call, "lazy"), default),
            secondary=keyword(call, "secondary") is not None,
            back_populates=text(keyword(call, "back_populates"), outer, self.names) or "",
            view_only=bool(truth(keyword(call, "viewonly"))),
            foreign_keys=self._key_names(keyword(call, "foreign_keys")),
            backref=self._backref(back, outer),
            cascades=cascades(keyword(call, "cascade"), keyword(call, "passive_deletes")),
        )

    def _spread(self, call: ast.Call, scope: Scope) -> ast.Call:
        """The call with what `**options` adds, a dict in sight; else its strategy and other side are unknown."""
        if all(k.arg is not None for k in call.keywords):
            return call
        keywords = [k for k in call.keywords if k.arg is not None]
        for spread in (k.value for k in call.keywords if k.arg is None):
            entity = self.names.lookup(scope, spread.id) if isinstance(spread, ast.Name) else None
            value = entity.bindings[-1].value if isinstance(entity, Variable) else spread
            if isinstance(value, ast.Dict):
                entries = zip(value.keys, value.values, strict=True)
                keywords += [ast.keyword(str(k.value), v) for k, v in entries if isinstance(k, ast.Constant)]
            else:
                keywords += [ast.keyword("back_populates", ast.Constant("?")), ast.keyword("lazy", spread)]
                keywords.append(ast.keyword("cascade", spread))
        return ast.Call(call.func, call.args, keywords)

    def _sqlmodel_relationship(
        self, name: str, call: ast.Call, outer: Scope, annotation: ast.expr | None, place: Place
    ) -> Relationship:
        inner, _ = self.inner(annotation, outer)
        listed, element = self._listed(inner, outer)
        options = keyword(call, "sa_relationship_kwargs")
        whole = keyword(call, "sa_relationship")
        lazy = (
            self._lazy(entry(options, "lazy"), "select")
            if options is None or isinstance(options, (ast.Dict, ast.Call))
            else "unknown"
        )
        found = Relationship(
            name=name,
            place=place,
            target=self._target(element, outer),
            uselist=False if truth(entry(options, "uselist")) is False else listed,
            lazy=lazy,
            secondary=keyword(call, "link_model") is not None or entry(options, "secondary") is not None,
            back_populates=text(keyword(call, "back_populates"), outer, self.names) or "",
            view_only=bool(truth(entry(options, "viewonly"))),
            foreign_keys=self._key_names(entry(options, "foreign_keys")),
            cascades=keyword(call, "cascade_delete", "passive_deletes") is not None
            or (options is not None and not isinstance(options, ast.Dict))
            or cascades(entry(options, "cascade"), entry(options, "passive_deletes")),
        )
        if isinstance(whole, ast.Call):
            return self.relationship(name, whole, outer, annotation, place)
        return found

    def _backref(self, given: ast.expr | None, scope: Scope) -> str:
        """Name of the reverse side, with `=strategy` when `backref(...)` sets one."""
        if isinstance(given, ast.Call):
            name = text(given.args[0], scope, self.names) if given.args else None
            return f"{name or ''}={self._lazy(keyword(given, 'lazy'), 'select')}"
        return text(given, scope, self.names) or ""

    def _lazy(self, given: ast.expr | None, default: str) -> str:
        if given is None:
            return default
        if isinstance(given, ast.Constant):
            if isinstance(given.value, str):
                return given.value
            return "noload" if given.value is None else "select" if given.value else "joined"
        return "unknown"

    def _listed(self, inner: ast.expr | None, scope: Scope) -> tuple[bool, ast.expr | None]:
        """Whether an annotation is a collection, and what is in it."""
        if isinstance(inner, ast.Subscript):
            head = self.names.canonical(inner.value, scope) or ""
            if head in _LISTS:
                return True, self._plain(inner.slice)
            if head in ("builtins.dict", "typing.Dict") and isinstance(inner.slice, ast.Tuple):
                return True, self._plain(inner.slice.elts[-1])
            optional, _ = self.inner(inner, scope)
            return (False, inner) if optional is inner or optional is None else self._listed(optional, scope)
        return False, inner

    def _target(self, expr: ast.expr | None, scope: Scope) -> str:
        """Dotted name of the target class, or the bare name that a string gives."""
        if isinstance(expr, ast.Lambda):
            expr = expr.body
        if isinstance(expr, ast.Constant) and isinstance(expr.value, str):
            expr = self.values.parsed(expr) or expr
        if isinstance(expr, ast.BinOp):
            expr, _ = self.inner(expr, scope)
        if isinstance(expr, (ast.Name, ast.Attribute)):
            entity = self.names.resolve(expr, scope)
            if isinstance(entity, Class):
                return entity.dotted
            return expr.id if isinstance(expr, ast.Name) else expr.attr
        if isinstance(expr, ast.Constant) and isinstance(expr.value, str):
            return expr.value
        return ""

    def _key_names(self, expr: ast.expr | None) -> tuple[str, ...]:
        if isinstance(expr, ast.Lambda):
            expr = expr.body
        items = expr.elts if isinstance(expr, (ast.List, ast.Tuple)) else [] if expr is None else [expr]
        found = []
        for item in items:
            if isinstance(item, (ast.Name, ast.Attribute)):
                found.append(item.id if isinstance(item, ast.Name) else item.attr)
            elif isinstance(item, ast.Constant) and isinstance(item.value, str):
                found.extend(p.strip().rsplit(".", 1)[-1] for p in item.value.strip("[]").split(","))
        return tuple(found)

    # Indexes

    def indexes(self, scope: Scope) -> Iterator[Index]:
        """`Index(...)` and constraints written directly in a scope (class body, `__table_args__`, module)."""
        for call in scope.all(ast.Call):
            last = self.last_name(call.func, scope)
            if last in _INDEX_CALLS:
                yield self.index(last, call, scope)

    def index(self, kind: str, call: ast.Call, scope: Scope) -> Index:
        given = call.args
        if kind == "Index":
            given = given[1:]
        elif kind == "ForeignKeyConstraint" and given:
            listed = texts(given[0], scope, self.names) or []
            return Index(tuple(listed), False, scope.place(call), kind)
        columns = tuple(self.column_of(g, scope) for g in given)
        unique = kind != "Index" or bool(truth(keyword(call, "unique")))
        return Index(columns, unique, scope.place(call), kind)

    def column_of(self, expr: ast.expr, scope: Scope) -> str:
        """Column an index names, its ordering (`.desc()`) taken off; "" for an expression."""
        while (
            isinstance(expr, ast.Call)
            and isinstance(expr.func, ast.Attribute)
            and expr.func.attr in ("desc", "asc", "nullslast", "nullsfirst", "nulls_last", "nulls_first")
        ):
            expr = expr.func.value
        if isinstance(expr, ast.Call) and expr.args and self.last_name(expr.func, scope) in ("desc", "asc"):
            return self.column_of(expr.args[0], scope)
        if isinstance(expr, ast.Attribute):
            return expr.attr
        found = text(expr, scope, self.names)
        return found if found is not None else expr.id if isinstance(expr, ast.Name) else ""


_NOT_TYPES = frozenset(
    "ForeignKey Computed Identity Sequence CheckConstraint FetchedValue DefaultClause UniqueConstraint".split()
)


def _is_directive(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Attribute) and decorator.attr == "directive"
