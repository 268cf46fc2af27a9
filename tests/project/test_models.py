"""Tables, columns, keys, indexes and relationships of the ORMs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make

from project import Project
from project.data.models import Model

SQLALCHEMY = """
    from datetime import datetime
    from typing import Annotated, List, Optional
    from sqlalchemy import Column, ForeignKey, Index, Integer, JSON, String, UniqueConstraint
    from sqlalchemy.ext.mutable import MutableDict
    from sqlalchemy.orm import DeclarativeBase, Mapped, backref, declared_attr, mapped_column, relationship

    key = Annotated[int, mapped_column(primary_key=True)]
    team_key = Annotated[int, mapped_column(ForeignKey("teams.id"), index=True)]

    class Base(DeclarativeBase):
        pass

    class Stamped:
        made: Mapped[datetime]

        @declared_attr
        def maker_id(cls) -> Mapped[int]:
            return mapped_column(ForeignKey("people.id"))

    class Team(Base):
        __tablename__ = "teams"
        id: Mapped[key]
        name: Mapped[str] = mapped_column(String(20), unique=True)
        people: Mapped[List["Person"]] = relationship(back_populates="team", lazy="selectin")
        awards = relationship("Award", backref=backref("team", lazy="joined"))

    class Person(Stamped, Base):
        __tablename__ = "people"
        __table_args__ = (UniqueConstraint("email", "team_id"), Index("ix_nick", "nick_name", unique=True))
        id: Mapped[key]
        team_id: Mapped[team_key]
        email: Mapped[str]
        nick: Mapped[Optional[str]] = mapped_column("nick_name")
        extra = Column(MutableDict.as_mutable(JSON), nullable=False, default=dict)
        team: Mapped["Team"] = relationship(back_populates="people")

    class Award(Base):
        __tablename__ = "awards"
        id = Column(Integer, primary_key=True)
        team_id = Column(Integer, ForeignKey(Team.id))

    Index("ix_award", Award.team_id.desc())
"""


def models(folder: Path, text: str, **files: str) -> Project:
    return make(folder, {"models.py": text, **{f"{n}.py": t for n, t in files.items()}})


def model(project: Project, name: str) -> Model:
    return next(m for m in project.models.all if m.name == name)


def test_declarative_classes_with_mixins_and_annotated_types(tmp_path: Path) -> None:
    project = models(tmp_path, SQLALCHEMY)
    assert [(m.name, m.table, m.orm) for m in project.models.all] == [
        ("Team", "teams", "sqlalchemy"),
        ("Person", "people", "sqlalchemy"),
        ("Award", "awards", "sqlalchemy"),
    ]
    person = model(project, "Person")
    assert list(person.columns) == ["id", "team_id", "email", "nick", "extra", "made", "maker_id"]
    assert person.primary_key == ("id",)
    assert person.columns["team_id"].foreign_key == "teams.id"
    assert person.columns["maker_id"].foreign_key == "people.id"
    assert person.columns["nick"].column == "nick_name"
    assert person.columns["extra"].type_name == "mutable:sqlalchemy.JSON"
    assert {n for n, c in person.columns.items() if c.nullable} == {"nick"}


@pytest.mark.parametrize(
    ("name", "column", "covered"),
    [
        ("Team", "name", True),  # unique
        ("Person", "team_id", True),  # index=True in the Annotated alias
        ("Person", "email", True),  # first of a unique constraint
        ("Person", "nick", True),  # Index by the name in the table
        ("Person", "maker_id", False),
        ("Award", "team_id", True),  # Index below the class
    ],
)
def test_which_columns_lead_an_index(tmp_path: Path, name: str, column: str, covered: bool) -> None:
    found = model(models(tmp_path, SQLALCHEMY), name)
    assert found.leads_index(found.columns[column]) is covered


def test_relationships_with_targets_strategies_and_reverse_sides(tmp_path: Path) -> None:
    project = models(tmp_path, SQLALCHEMY)
    team, person, award = (model(project, n) for n in ("Team", "Person", "Award"))
    people, awards = team.relationships["people"], team.relationships["awards"]
    assert people.eager
    assert project.models.target(team, people) is person
    assert project.models.is_collection(team, people)
    assert project.models.is_collection(team, awards)  # no annotation: the side without the key
    assert not person.relationships["team"].eager
    assert award.relationships["team"].lazy == "joined"
    assert not project.models.is_collection(award, award.relationships["team"])


@pytest.mark.parametrize(
    "base",
    [
        "from sqlalchemy.orm import declarative_base\nBase = declarative_base()",
        "from sqlalchemy.ext.declarative import declarative_base as make\nBase = make()",
        "from sqlalchemy.orm import registry\nBase = registry().generate_base()",
        "from sqlalchemy.orm import as_declarative\n@as_declarative()\nclass Base: ...",
        "from sqlalchemy.orm import DeclarativeBase\nclass Base(DeclarativeBase):\n    __abstract__ = True",
    ],
)
def test_bases(tmp_path: Path, base: str) -> None:
    text = "from sqlalchemy import Column, Integer\nfrom base import Base\n"
    text += "class A(Base):\n    __tablename__ = 'a'\n    id = Column(Integer, primary_key=True)\n"
    text += "class Other:\n    id = Column(Integer)\n"
    project = models(tmp_path, text, base=base)
    assert [(m.name, m.table, m.primary_key) for m in project.models.all] == [("A", "a", ("id",))]


def test_single_table_and_joined_inheritance(tmp_path: Path) -> None:
    project = models(
        tmp_path,
        """
        from sqlalchemy import Column, ForeignKey, Integer
        from sqlalchemy.orm import declarative_base
        Base = declarative_base()

        class Job(Base):
            __tablename__ = "jobs"
            id = Column(Integer, primary_key=True)
            owner_id = Column(ForeignKey("users.id"))

        class Build(Job):
            node = Column(Integer)

        class Deploy(Job):
            __tablename__ = "deploys"
            id = Column(ForeignKey("jobs.id"), primary_key=True)
        """,
    )
    assert model(project, "Build").own == {"node"}
    assert model(project, "Deploy").own == {"id"}
    assert set(model(project, "Build").columns) == {"node", "id", "owner_id"}


def test_table_objects_and_constraints(tmp_path: Path) -> None:
    project = models(
        tmp_path,
        """
        from sqlalchemy import Column, ForeignKey, Integer, MetaData, PrimaryKeyConstraint, Table
        link = Table(
            "link", MetaData(), Column("a_id", ForeignKey("a.id")), Column("b_id", Integer, ForeignKey("b.id")),
            PrimaryKeyConstraint("a_id", "b_id"),
        )
        """,
    )
    link = model(project, "link")
    assert link.primary_key == ("a_id", "b_id")
    assert [link.leads_index(link.columns[n]) for n in ("a_id", "b_id")] == [True, False]


def test_sqlmodel_tables_inherit_from_plain_models(tmp_path: Path) -> None:
    project = models(
        tmp_path,
        """
        from sqlalchemy import Column, ForeignKey, Text
        from sqlmodel import Field, Relationship, SQLModel

        class HeroBase(SQLModel):
            name: str = Field(index=True)
            note: str | None = Field(default=None, sa_column=Column(Text))

        class Hero(HeroBase, table=True):
            id: int | None = Field(default=None, primary_key=True)
            team_id: int = Field(foreign_key="team.id", unique=True)
            base_id: int = Field(sa_column_args=[ForeignKey("base.id")])
            team: "Team" = Relationship(back_populates="heroes", sa_relationship_kwargs={"lazy": "joined"})

        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            heroes: list["Hero"] = Relationship(back_populates="team")

        class HeroOut(HeroBase):
            id: int
        """,
    )
    assert [(m.name, m.table) for m in project.models.all] == [("Hero", "hero"), ("Team", "team")]
    hero = model(project, "Hero")
    assert {n: c.foreign_key for n, c in hero.columns.items() if c.foreign_key} == {
        "team_id": "team.id",
        "base_id": "base.id",
    }
    assert [n for n in hero.columns if hero.leads_index(hero.columns[n])] == ["id", "team_id", "name"]
    assert hero.columns["note"].type_name == "sqlalchemy.Text"
    assert hero.relationships["team"].lazy == "joined"
    assert project.models.is_collection(model(project, "Team"), model(project, "Team").relationships["heroes"])


def test_column_factories_are_followed(tmp_path: Path) -> None:
    project = models(
        tmp_path,
        """
        from sqlalchemy import Column, ForeignKey
        from sqlmodel import Field, SQLModel

        def key_to(table: str):
            return Field(sa_column=Column(ForeignKey(f"{table}.id"), nullable=False, index=True))

        class Hero(SQLModel, table=True):
            id: int = Field(primary_key=True)
            team_id: int = key_to("team")
        """,
    )
    column = model(project, "Hero").columns["team_id"]
    assert (column.foreign_key, column.index, column.nullable) == ("?", True, False)


def test_tortoise_models(tmp_path: Path) -> None:
    project = models(
        tmp_path,
        """
        from tortoise import fields
        from tortoise.models import Model

        class Base(Model):
            id = fields.IntField(primary_key=True)

            class Meta:
                abstract = True

        class Team(Base):
            name = fields.CharField(max_length=20, db_index=True)

        class Hero(Base):
            team = fields.ForeignKeyField("models.Team", related_name="heroes")
            rank = fields.IntField(null=True)

            class Meta:
                table = "heroes"
                indexes = [("team", "rank")]
        """,
    )
    assert [(m.name, m.table) for m in project.models.all] == [("Team", "team"), ("Hero", "heroes")]
    team, hero = model(project, "Team"), model(project, "Hero")
    assert hero.columns["team_id"].foreign_key == "Team.id"
    assert hero.leads_index(hero.columns["team_id"])
    assert not hero.leads_index(hero.columns["rank"])
    assert project.models.target(hero, hero.relationships["team"]) is team
    assert project.models.is_collection(team, team.relationships["heroes"])
    assert not project.models.is_collection(hero, hero.relationships["team"])


def test_documents_have_fields_and_no_table(tmp_path: Path) -> None:
    project = models(
        tmp_path,
        """
        from beanie import Document, Indexed

        class User(Document):
            email: Indexed(str)
            name: str = ""
        """,
    )
    user = model(project, "User")
    assert (user.orm, user.table, list(user.columns)) == ("document", None, ["email", "name"])


def test_imperative_mapping_gives_a_class_its_table_and_relationships(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "tables.py": """
            from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table

            metadata = MetaData()
            users = Table("users", metadata, Column("id", Integer, primary_key=True))
            cards = Table(
                "cards", metadata, Column("id", Integer, primary_key=True), Column("user_id", ForeignKey("users.id"))
            )
            """,
            "domain.py": """
            class User: ...
            class Card: ...
            """,
            "orm.py": """
            from sqlalchemy.orm import registry, relationship
            from domain import Card, User
            from tables import cards, users

            def start():
                mappers = registry()
                mappers.map_imperatively(User, users, properties={"cards": relationship(Card, back_populates="user")})
                mappers.map_imperatively(Card, cards, properties={"user": relationship(User, back_populates="cards")})
            """,
        },
    )
    user, card = project.models.by_name["User"][0], project.models.by_name["Card"][0]
    assert (user.table, sorted(card.columns), card.columns["user_id"].foreign_key) == (
        "users",
        ["id", "user_id"],
        "users.id",
    )
    assert project.models.target(user, user.relationships["cards"]) is card
    assert project.models.is_collection(user, user.relationships["cards"])
    assert not project.models.is_collection(card, card.relationships["user"])


def test_tables_that_fastapi_users_names(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "app.py": """
            from fastapi_users_db_sqlalchemy import SQLAlchemyBaseOAuthAccountTableUUID, SQLAlchemyBaseUserTable
            from sqlalchemy.orm import DeclarativeBase, Mapped

            class Base(DeclarativeBase): ...

            class Account(SQLAlchemyBaseOAuthAccountTableUUID, Base):
                access_token: Mapped[str]

            class Person(SQLAlchemyBaseUserTable[int], Base):
                nickname: Mapped[str]
            """
        },
    )
    assert {m.name: (m.table, sorted(m.columns)) for m in project.models.all} == {
        "Account": ("oauth_account", ["access_token"]),
        "Person": ("user", ["nickname"]),
    }
