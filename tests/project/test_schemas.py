"""Pydantic models: fields with inheritance, configuration, what types are made of, leftovers of v1."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.project.trees import function, make, module

from project import Project
from project.routing.schemas import Schema

MODELS = """
    from datetime import date
    from typing import Annotated, Any, ClassVar, Generic, Optional, TypeVar
    from pydantic import BaseModel, ConfigDict, Field, computed_field, field_validator
    from sqlmodel import Field as Column, SQLModel

    T = TypeVar("T")

    class Strict(BaseModel):
        model_config = ConfigDict(from_attributes=True, extra="forbid")

    class UserBase(Strict):
        kind: ClassVar[str] = "user"
        _cache: dict = {}
        name: Annotated[str, Field(min_length=1)]
        date: Optional[date] = None
        tags: list[str] = Field(default_factory=list)
        secret: str = Field(..., exclude=True, alias="s3cret")

    class UserIn(UserBase, extra="allow"):
        name: str = "nobody"

        @field_validator("name")
        @classmethod
        def check_name(cls, value): return value

        @computed_field
        @property
        def label(self) -> str: return self.name

    class Team(BaseModel):
        owner: UserIn
        members: "list[UserBase] | None" = None
        hidden: "Strict" = Field(exclude=True)

    class Page(BaseModel, Generic[T]):
        items: list[T]

    class TeamPage(Page[Team]): ...

    class Row(SQLModel, table=True):
        id: int | None = Column(default=None, primary_key=True)

    class RowOut(SQLModel):
        id: int

    class Plain:
        name: str
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make(tmp_path, {"app/__init__.py": "", "app/models.py": MODELS})


def schema(project: Project, name: str) -> Schema:
    return next(s for s in project.schemas.all if s.name == name)


def test_models_are_classes_that_inherit_from_a_pydantic_base(project: Project) -> None:
    names = [s.name for s in project.schemas.all]
    assert names == ["Strict", "UserBase", "UserIn", "Team", "Page", "TeamPage", "Row", "RowOut"]


def test_fields_without_class_variables_and_private_ones(project: Project) -> None:
    fields = schema(project, "UserBase").fields
    assert {name: field.required for name, field in fields.items()} == {
        "name": True,
        "date": False,
        "tags": False,
        "secret": True,
    }
    assert fields["secret"].excluded
    assert fields["secret"].aliases == ["s3cret"]
    assert list(fields["name"].info) == ["min_length"]
    assert (fields["date"].place.path, fields["date"].place.line) == ("app/models.py", 16)


def test_inherited_field_is_replaced_by_its_redefinition(project: Project) -> None:
    fields = schema(project, "UserIn").fields
    assert list(fields) == ["name", "date", "tags", "secret"]
    assert (fields["name"].owner.name, fields["name"].required) == ("UserIn", False)
    assert fields["date"].owner.name == "UserBase"


def test_configuration_is_inherited_and_replaced(project: Project) -> None:
    assert (schema(project, "UserBase").extra, schema(project, "UserIn").extra) == ("forbid", "allow")
    assert schema(project, "UserIn").from_attributes
    assert schema(project, "Team").extra == "ignore"


def test_validators_and_computed_fields(project: Project) -> None:
    found = [(v.kind, v.function.name, v.fields) for v in schema(project, "UserIn").validators]
    assert found == [("field_validator", "check_name", ("name",)), ("computed_field", "label", ())]


def test_tables_and_generic_models(project: Project) -> None:
    assert [s.name for s in project.schemas.all if s.is_table] == ["Row"]
    assert schema(project, "RowOut").is_sqlmodel
    assert [s.name for s in project.schemas.all if s.is_generic] == ["Page", "TeamPage"]


def test_a_field_named_like_its_type_means_the_outer_name(project: Project) -> None:
    field = schema(project, "UserBase").fields["date"]
    shape = project.shapes.of(field.annotation, field.owner)
    assert [option.dotted for option in shape.options] == ["datetime.date"]
    assert shape.optional


def test_what_a_type_is_made_of(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {"app/__init__.py": "", "app/models.py": MODELS, "app/api.py": """
            from app.models import Page, Team, TeamPage, UserIn
            Alias = Page[Team] | None
            def direct() -> list[UserIn]: ...
            def generic() -> Alias: ...
            def inherited() -> "TeamPage": ...
        """},
    )  # fmt: skip

    def reached(name: str) -> dict[str, str]:
        target = function(project, "app/api.py", name)
        shape = project.shapes.of(target.returns, target.module)
        return {r.cls.name: ".".join(r.path) for r in project.schemas.reached(shape)}

    assert reached("direct") == {"UserIn": ""}
    team = {"Team": "", "Page": "", "UserIn": "owner", "UserBase": "members"}
    assert reached("generic") == team
    assert set(reached("inherited")) == {"TeamPage", "Team", "UserIn", "UserBase"}


def test_settings(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {"settings.py": """
            from pydantic_settings import BaseSettings, SettingsConfigDict
            class Base(BaseSettings):
                model_config = SettingsConfigDict(env_file=".env")
            class Settings(Base):
                debug: bool = False
                url: str
        """},
    )  # fmt: skip
    settings = next(s for s in project.schemas.settings if s.name == "Settings")
    assert {name: field.required for name, field in settings.fields.items()} == {"debug": False, "url": True}
    assert ast.unparse(settings.config["env_file"].value) == "'.env'"


def test_a_class_with_an_unknown_base_is_not_complete(tmp_path: Path) -> None:
    project = make(tmp_path, {"m.py": "from pydantic import BaseModel\nclass A(make_base(), BaseModel):\n    x: int\n"})
    assert not schema(project, "A").is_complete


def test_aliases_unions_and_recursion_in_annotations(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {"m.py": """
            from typing import Annotated, Dict, List, Literal, NewType, Optional, Union
            UserId = NewType("UserId", int)
            Json = Union[None, str, List["Json"], Dict[str, "Json"]]
            def f(a: Optional[Annotated[List[int], "x"]], b: Literal["q"], c: UserId, d: Json, e: "int | None"): ...
        """},
    )  # fmt: skip
    target = function(project, "m.py", "f")
    shapes = [project.shapes.of(arg.annotation, module(project, "m.py")) for arg, _ in target.params]
    assert [s.dotted for s in shapes] == [
        "typing.Union",
        "typing.Literal",
        "builtins.int",
        "typing.Union",
        "typing.Union",
    ]
    assert (shapes[0].options[0].dotted, shapes[0].optional, len(shapes[0].options[0].metadata)) == (
        "builtins.list",
        True,
        1,
    )
    assert [o.dotted for o in shapes[3].options][:2] == ["builtins.str", "builtins.list"]


LEFTOVERS = """
    from pydantic import BaseModel, Field, constr, root_validator, validator
    from pydantic_settings import BaseSettings

    class Old(BaseModel):
        code: str = Field(regex="x")
        name: constr(regex="y")

        class Config:
            orm_mode = True
            title = "fine"

        @validator("code")
        def check(cls, value): return value

        @validator("name")
        def check_more(cls, value, field): return value

        @root_validator
        def check_all(cls, values): return values

    class Settings(BaseSettings):
        url: str = Field("x", env="DB_URL")

    class Own(BaseModel):
        def dict(self): return {}

    class Config:
        orm_mode = True

    def use(old: Old, own: Own, response, data: dict):
        old.dict(exclude_unset=True)
        Old.from_orm(data)
        old.json(indent=2)
        own.dict()
        data.copy()
        response.json()
        response.dict(by_alias=True)
"""


def test_leftovers_of_pydantic_v1(tmp_path: Path) -> None:
    project = make(tmp_path, {"m.py": LEFTOVERS})
    found = sorted((x.place.line, x.idiom, x.effect, x.certainty) for x in project.pydantic_v1)
    assert found == [
        (6, "Field(regex=)", "raises", "resolved"),
        (7, "constr(...)", "raises", "resolved"),
        (9, "class Config", "deprecated", "resolved"),
        (10, "orm_mode", "ignored", "resolved"),
        (13, "@validator", "deprecated", "resolved"),
        (16, "@validator", "raises", "resolved"),
        (19, "@root_validator", "raises", "resolved"),
        (23, "Field(env=)", "ignored", "resolved"),
        (32, ".dict()", "deprecated", "inferred"),
        (33, ".from_orm()", "raises", "resolved"),
        (34, ".json()", "raises", "inferred"),
        (38, ".dict()", "deprecated", "by-name"),
    ]


def test_what_needs_v1_or_is_kept_for_both_is_left_out(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {"m.py": """
            from pydantic import BaseModel, VERSION
            from pydantic.v1 import BaseModel as OldModel, validator
            try:
                from pydantic import BaseSettings
            except ImportError:
                from pydantic_settings import BaseSettings
            class Pinned(OldModel):
                class Config:
                    orm_mode = True
                @validator("x")
                def check(cls, v): return v
            class Both(BaseModel):
                if VERSION.startswith("2"):
                    model_config = {"from_attributes": True}
                else:
                    class Config:
                        orm_mode = True
            class New(BaseModel): ...
            def use(pinned: Pinned, new: New):
                pinned.dict()
                return new.model_dump_json() if VERSION >= "2" else new.json()
        """},
    )  # fmt: skip
    assert [x.idiom for x in project.pydantic_v1] == []
