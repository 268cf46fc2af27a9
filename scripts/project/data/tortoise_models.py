"""What a Tortoise ORM model declares: fields, relations, `Meta.indexes` and `Meta.unique_together`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from project.data.table_parts import Column, Index, Relationship
from project.language.literals import class_value, keyword, text, texts, truth
from project.language.names import Names
from project.language.scopes import Class

_RELATIONS = frozenset("ForeignKeyField OneToOneField ManyToManyField".split())


def tortoise_members(cls: Class, names: Names) -> Iterator[Column | Relationship]:
    """Fields of one class body. A foreign key gives a relationship and the column `<name>_id`."""
    for name, bindings in cls.bindings.items():
        binding = bindings[-1]
        if binding.kind != "assign" or not isinstance(binding.value, ast.Call):
            continue
        dotted = names.canonical(binding.value.func, cls) or ""
        if not dotted.startswith("tortoise.") and not dotted.rsplit(".", 1)[-1].endswith("Field"):
            continue
        last = dotted.rsplit(".", 1)[-1]
        call, place = binding.value, cls.place(binding.node)
        if last in _RELATIONS:
            yield from _relation(name, last, call, cls, names)
        elif last.endswith("Field"):
            key = bool(truth(keyword(call, "primary_key", "pk")))
            yield Column(
                name=name,
                column=text(keyword(call, "source_field"), cls, names) or name,
                place=place,
                scope=cls,
                type_name=dotted,
                nullable=bool(truth(keyword(call, "null"))),
                unique=bool(truth(keyword(call, "unique"))),
                index=bool(truth(keyword(call, "db_index", "index"))),
                primary_key=key,
                default=keyword(call, "default"),
            )


def _relation(name: str, last: str, call: ast.Call, cls: Class, names: Names) -> Iterator[Column | Relationship]:
    place = cls.place(call)
    target = text(call.args[0] if call.args else keyword(call, "model_name"), cls, names) or ""
    related = keyword(call, "related_name")
    back = text(related, cls, names) or ""
    if related is None:
        back = cls.name.lower() if last == "OneToOneField" else f"{cls.name.lower()}s"
    many = last == "ManyToManyField"
    yield Relationship(name, place, target.rsplit(".", 1)[-1], many, "select", secondary=many, backref=back)
    if not many:
        unique = last == "OneToOneField" or bool(truth(keyword(call, "unique")))
        yield Column(
            name=f"{name}_id",
            column=text(keyword(call, "source_field"), cls, names) or f"{name}_id",
            place=place,
            scope=cls,
            nullable=bool(truth(keyword(call, "null"))),
            unique=unique,
            index=bool(truth(keyword(call, "db_index", "index"))),
            primary_key=bool(truth(keyword(call, "primary_key", "pk"))),
            foreign_key=f"{target.rsplit('.', 1)[-1]}.id",
        )


def tortoise_indexes(cls: Class, names: Names) -> Iterator[Index]:
    """`Meta.indexes` and `Meta.unique_together`; a foreign key `user` is named there without `_id`."""
    meta = next((c for c in cls.children if isinstance(c, Class) and c.name == "Meta"), None)
    if meta is None:
        return
    for attribute, unique in (("indexes", False), ("unique_together", True)):
        value = class_value(meta, attribute)
        items = value.elts if isinstance(value, (ast.List, ast.Tuple)) else []
        groups = items if items and not isinstance(items[0], ast.Constant) else [value] if items else []
        for group in groups:
            given = keyword(group, "fields") if isinstance(group, ast.Call) else group
            columns = texts(given, meta, names)
            if columns:
                yield Index(tuple(_as_column(c, cls) for c in columns), unique, meta.place(value))


def _as_column(name: str, cls: Class) -> str:
    value = class_value(cls, name)
    func = value.func if isinstance(value, ast.Call) else None
    last = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    return f"{name}_id" if last in _RELATIONS else name
