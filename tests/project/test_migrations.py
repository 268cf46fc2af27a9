"""Alembic: revisions, their graph, operations, indexes they leave behind, env.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make

from project import Project

HEAD = "import sqlalchemy as sa\nfrom alembic import op\n"


def revision(number: int, down: str, upgrade: str = "pass", downgrade: str = "pass", more: str = "") -> str:
    body = f"{HEAD}revision = '{number}'\ndown_revision = {down}\n{more}\n"
    for name, text in (("upgrade", upgrade), ("downgrade", downgrade)):
        body += f"def {name}():\n" + "".join(f"    {line}\n" for line in text.splitlines())
    return body


def tree(folder: Path, *texts: str) -> Project:
    return make(folder, {f"migrations/versions/{i}_x.py": text for i, text in enumerate(texts)})


def test_graph(tmp_path: Path) -> None:
    project = tree(
        tmp_path,
        revision(1, "None"),
        revision(2, "'1'"),
        revision(3, "'1'"),
        revision(4, "('2', '3')"),
        revision(5, "'4'"),
    )
    (group,) = project.migrations.groups
    assert [r.id for r in project.migrations.heads(group)] == ["5"]
    assert [r.id for r in project.migrations.newest_first] == ["5", "4", "2", "3", "1"]


def test_histories_that_share_a_copied_revision(tmp_path: Path) -> None:
    files = {f"{name}/versions/1_x.py": revision(1, "None") for name in ("core", "tenant")}
    files |= {"core/versions/2_x.py": revision(2, "'1'"), "tenant/versions/3_x.py": revision(3, "'1'")}
    files["more/4_x.py"] = revision(4, "'3'")
    migrations = make(tmp_path, files).migrations
    assert [[r.id for r in migrations.heads(group)] for group in migrations.groups] == [["2"], ["4"]]


def test_annotated_identifiers_and_typed_signatures(tmp_path: Path) -> None:
    text = HEAD + "from typing import Union\nrevision: str = 'a'\ndown_revision: Union[str, None] = None\n"
    project = tree(tmp_path, text + "def upgrade() -> None:\n    op.drop_table('t')\n")
    assert [(r.id, r.down, [o.name for o in r.upgrade]) for r in project.migrations.revisions] == [
        ("a", (), ["drop_table"])
    ]


@pytest.mark.parametrize(
    ("code", "name", "table", "column"),
    [
        ("op.add_column('t', sa.Column('c', sa.Integer))", "add_column", "t", "c"),
        ("op.alter_column('t', 'c', nullable=False)", "alter_column", "t", "c"),
        ("op.drop_column('t', column_name='c')", "drop_column", "t", "c"),
        ("op.drop_table('t')", "drop_table", "t", None),
        ("op.create_index('i', 't', ['c'])", "create_index", "t", None),
        ("op.create_index(op.f('i'), table_name='t', columns=['c'])", "create_index", "t", None),
        ("with op.batch_alter_table('t') as b:\n    b.drop_column('c')", "drop_column", "t", "c"),
        ("with op.batch_alter_table('t') as b:\n    b.create_index('i', ['c'])", "create_index", "t", None),
        ("op.get_bind().execute(sa.text('x'))", "execute", None, None),
        ("helper()", "drop_table", "u", None),
    ],
)
def test_operations(tmp_path: Path, code: str, name: str, table: str | None, column: str | None) -> None:
    project = tree(tmp_path, revision(1, "None", code, more="def helper():\n    op.drop_table('u')\n"))
    found = [o for o in project.migrations.revisions[0].upgrade if o.name != "batch_alter_table"]
    assert [(o.name, o.table, o.column) for o in found] == [(name, table, column)]


def test_what_an_added_column_declares(tmp_path: Path) -> None:
    code = "op.add_column('t', sa.Column('c', sa.String(5), nullable=False, server_default='x'))"
    (operation,) = tree(tmp_path, revision(1, "None", code)).migrations.revisions[0].upgrade
    assert operation.declared is not None
    assert (operation.declared.nullable, operation.declared.server_default) == (False, True)


def test_indexes_that_stay(tmp_path: Path) -> None:
    first = """op.create_table('t', sa.Column('id', sa.Integer, primary_key=True), sa.UniqueConstraint('a', 'b'),
    sa.Column('u', sa.Text, unique=True))
op.create_index('i', 't', ['c', 'd'])
op.create_index('gone', 't', ['e'])
op.execute('CREATE INDEX CONCURRENTLY j ON t (f)')
for name, table, column in [('k', 'v', 'g')]:
    op.create_index(name, table, [column])"""
    project = tree(tmp_path, revision(1, "None", first), revision(2, "'1'", "op.drop_index('gone', 't')"))
    kept = {("t", c) for c in ("id", "u", "a", "c", "f")} | {("v", "g")}
    assert kept <= project.migrations.indexed
    assert ("t", "e") not in project.migrations.indexed
    assert ("t", "d") not in project.migrations.indexed


@pytest.mark.parametrize(
    ("downgrade", "empty"),
    [("pass", True), ("'''nothing'''", True), ("raise NotImplementedError", True), ("op.drop_table('t')", False)],
)
def test_empty_downgrades(tmp_path: Path, downgrade: str, empty: bool) -> None:
    project = tree(tmp_path, revision(1, "None", "op.create_table('t')", downgrade))
    assert project.migrations.revisions[0].downgrade_empty is empty


def test_environment(tmp_path: Path) -> None:
    env = "from alembic import context\nfrom base import Base\ntarget_metadata = Base.metadata\n"
    env += "def online():\n    context.configure(target_metadata=target_metadata, compare_type=False)\n"
    project = make(tmp_path, {"migrations/env.py": env, "base.py": "class Base: ...\n", "other/env.py": "x = 1\n"})
    (environment,) = project.migrations.environments
    assert environment.target_place is not None and environment.target_place.line == 3
    assert set(environment.options) == {"target_metadata", "compare_type"}


def test_migrations_that_a_runner_of_the_project_applies(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "app/migrations.py": "async def m000_create(db): ...\nasync def m001_initial(db): ...\ndef helper(): ...\n",
            "app/steps.py": "def m000_create(db): ...\ndef m001_initial(db): ...\n",
            "app/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        },
    )
    assert project.migrations.own == {"app/migrations.py": 2}
    assert dict(project.stack_summary)["Migrations"] == "own migration functions in app/migrations.py (2)"
