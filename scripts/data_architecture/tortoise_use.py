"""Tortoise ORM: relations read before they are fetched, names of old versions, connections that stay open."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import counted, request_hop
from project import Class, Place, Project
from project.data.models import TORTOISE
from project.language.command_line import is_command_line
from project.language.literals import keyword


@data.check(
    "DAT026",
    "tortoise-async-patterns",
    title="Tortoise ORM used in a way that fails or is deprecated",
    impact=MEDIUM,
    fix="Fetch relations with select_related or prefetch_related, and use the names of Tortoise 1.",
)
def tortoise_async_patterns(project: Project) -> Found:
    """A relation that was not fetched is a query set, not an object: reading its fields raises AttributeError,
    iterating over it NoValuesFetched.

    Source: Tortoise ORM, Prefetching, https://tortoise.github.io/query.html#prefetching

    Bad:
        from tortoise import fields
        from tortoise.models import Model

        class Team(Model):
            id = fields.IntField(primary_key=True)
            name = fields.CharField(max_length=20)

        class Hero(Model):
            id = fields.IntField(primary_key=True)
            team = fields.ForeignKeyField("models.Team", related_name="heroes")

        async def team_name(hero_id: int) -> str:
            hero = await Hero.get(id=hero_id)
            return hero.team.name  # DAT026
    Good:
        from tortoise import fields
        from tortoise.models import Model

        class Team(Model):
            id = fields.IntField(primary_key=True)
            name = fields.CharField(max_length=20)

        class Hero(Model):
            id = fields.IntField(primary_key=True)
            team = fields.ForeignKeyField("models.Team", related_name="heroes")

        async def team_name(hero_id: int) -> str:
            hero = await Hero.get(id=hero_id).select_related("team")
            return hero.team.name
    Not this:
        from tortoise import fields
        from tortoise.models import Model

        class Team(Model):
            id = fields.IntField(primary_key=True)
            name = fields.CharField(max_length=20)

        class Hero(Model):
            id = fields.IntField(primary_key=True)
            team = fields.ForeignKeyField("models.Team", related_name="heroes")

        async def team_name(hero_id: int) -> str:
            hero = await Hero.get(id=hero_id)
            team = await hero.team
            return team.name

        async def fetched(hero_id: int) -> str:
            hero = await Hero.get(id=hero_id)
            await hero.fetch_related("team")
            return hero.team.name
    """
    if any(m.orm == TORTOISE for m in project.models.all):
        for read in project.unfetched_reads:
            yield Hit(
                read.place,
                f"{read.model.name}.{read.relationship.name} is read before it is fetched",
                (read.execution.place("query"), *read.rows.hops),
                HIGH,
                "inferred",
            )
        if project.stack.at_least("tortoise-orm", "1.0"):
            yield from _deprecated_fields(project)
        yield from _never_closed(project)


def _never_closed(project: Project) -> Iterator[Hit]:
    """`Tortoise.init` while the application starts, and nothing that closes the connections when it stops."""
    closing = any(True for _ in project.spelled.calls("close_connections", "close_all"))
    for call, scope in project.spelled.calls("init") if not closing else ():
        dotted = project.names.canonical(call.func, scope)
        if dotted == "tortoise.Tortoise.init" and not is_command_line(scope):
            yield Hit(
                scope.place(call),
                "Tortoise.init opens connections that nothing closes when the application stops",
                request_hop(project, scope),
                LOW,
            )


def _deprecated_fields(project: Project) -> Iterator[Hit]:
    """`pk=` and `index=` on fields."""
    places: list[Place] = []
    for model in project.models.all:
        if model.orm == TORTOISE and isinstance(model.cls, Class):
            for call in model.cls.all(ast.Call):
                dotted = project.names.canonical(call.func, model.cls) or ""
                if (
                    dotted.startswith("tortoise.")
                    and dotted.endswith("Field")
                    and keyword(call, "pk", "index") is not None
                ):
                    places.append(model.cls.place(call))
    if places:
        yield Hit(
            places[0],
            f"pk= and index= of fields are deprecated: primary_key= and db_index= ({counted(len(places), 'place')})",
            impact=LOW,
            places=tuple(places[1:]),
        )
