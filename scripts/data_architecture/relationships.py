"""Relationships: as they are declared."""

from __future__ import annotations

from collections.abc import Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.relationship_failures import deletes_that_fail, joined_without_unique
from project import Place, Project
from project.data.models import TORTOISE, Model


@data.check(
    "DAT024",
    "relationship-hygiene",
    title="Relationship declared in a way that fails or drifts",
    impact=MEDIUM,
    fix="Give both sides back_populates, and replace dynamic and noload by write_only or explicit loading.",
)
def relationship_hygiene(project: Project) -> Found:
    """Two relationships over one key that do not name each other drift apart in memory; dynamic ones cannot be used
    with AsyncSession, and noload is deprecated since SQLAlchemy 2.1.

    Source: SQLAlchemy, Relationship Configuration, https://docs.sqlalchemy.org/en/21/orm/relationships.html

    Bad:
        from sqlalchemy import ForeignKey
        from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

        SessionLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"), expire_on_commit=False)

        class Base(DeclarativeBase):
            pass

        class Team(Base):
            __tablename__ = "teams"
            id: Mapped[int] = mapped_column(primary_key=True)
            heroes: Mapped[list["Hero"]] = relationship()  # DAT024
            villains = relationship("Villain", lazy="dynamic")  # DAT024

        class Hero(Base):
            __tablename__ = "heroes"
            id: Mapped[int] = mapped_column(primary_key=True)
            team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
            team: Mapped[Team] = relationship()

        class Villain(Base):
            __tablename__ = "villains"
            id: Mapped[int] = mapped_column(primary_key=True)
            team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
    Good:
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

        class Base(DeclarativeBase):
            pass

        class Team(Base):
            __tablename__ = "teams"
            id: Mapped[int] = mapped_column(primary_key=True)
            heroes: Mapped[list["Hero"]] = relationship(back_populates="team")

        class Hero(Base):
            __tablename__ = "heroes"
            id: Mapped[int] = mapped_column(primary_key=True)
            team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
            team: Mapped[Team] = relationship(back_populates="heroes")
    Not this:
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

        class Base(DeclarativeBase):
            pass

        class Team(Base):
            __tablename__ = "teams"
            id: Mapped[int] = mapped_column(primary_key=True)
            all_heroes: Mapped[list["Hero"]] = relationship(viewonly=True)

        class Hero(Base):
            __tablename__ = "heroes"
            id: Mapped[int] = mapped_column(primary_key=True)
            team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
            team: Mapped[Team] = relationship()
    """
    for model in project.models.all:
        if model.orm == TORTOISE:
            continue
        for relationship in model.relationships.values():
            if relationship.owner is not model.cls:
                continue
            if (
                relationship.lazy == "dynamic"
                and project.sessions.asynchronous
                and not project.sessions.has_sync_sessions
            ):
                yield Hit(
                    relationship.place,
                    f"{model.name}.{relationship.name} is dynamic, which AsyncSession cannot use",
                    impact=HIGH,
                )
            elif relationship.lazy == "noload" and project.stack.at_least("sqlalchemy", "2.1"):
                yield Hit(
                    relationship.place,
                    f"{model.name}.{relationship.name} uses noload, deprecated since SQLAlchemy 2.1",
                    impact=LOW,
                )
    yield from _one_sided(project)
    yield from deletes_that_fail(project)
    yield from joined_without_unique(project)


def _one_sided(project: Project) -> Iterator[Hit]:
    """Collections whose other side exists and that do not name each other; one hit for each collection."""
    for model in project.models.all:
        for there in model.relationships.values():
            target = project.models.target(model, there)
            if (
                target is None
                or there.owner is not model.cls
                or target is model
                or there.back_populates
                or there.backref
                or there.view_only
                or there.secondary
            ):
                continue
            if model.orm == TORTOISE or not project.models.is_collection(model, there) or _links(model, target) != 1:
                continue
            for back in target.relationships.values():
                plain = not (back.back_populates or back.backref or back.view_only or back.secondary)
                if (
                    plain
                    and project.models.target(target, back) is model
                    and not project.models.is_collection(target, back)
                ):
                    places: tuple[Place, ...] = (back.place,)
                    yield Hit(
                        there.place,
                        f"{model.name}.{there.name} and {target.name}.{back.name} are one key without back_populates",
                        impact=MEDIUM,
                        places=places,
                    )


def _links(model: Model, target: Model) -> int:
    """How many foreign keys lead from the target to the model."""
    names = {n for n in (model.table, model.name) if n}
    return sum(
        1
        for c in target.columns.values()
        if c.foreign_key and c.foreign_key.rsplit(".", 1)[0].rsplit(".", 1)[-1] in names
    )
