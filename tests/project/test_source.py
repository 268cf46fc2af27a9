"""Which files are read, and what becomes of those that cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.project.trees import make

from project import Project
from project.files.source import kind_of


def why(project: Project, path: str) -> str:
    return next(u.why for u in project.unread if u.path == path)


def test_unreadable_files_are_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("x = 1\n")
    (tmp_path / "python2.py").write_text("print 'hello'\n")
    (tmp_path / "nulls.py").write_bytes(b"x = 1\0\n")
    (tmp_path / "odd.py").write_bytes(b"# -*- coding: no-such-code -*-\nx = '\xff'\n")
    (tmp_path / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\nx = '\xe9'\n")
    (tmp_path / "big.py").write_bytes(b"#" * 10_000_000)
    (tmp_path / "deep.py").write_text("x = " + "(" * 5000 + ")" * 5000 + "\n")
    (tmp_path / "dangling.py").symlink_to("nowhere.py")
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "outside.py").symlink_to("/etc/hostname")
    project = Project.at(tmp_path)
    assert sorted(s.path for s in project.sources) == ["good.py", "latin.py"]
    assert "not valid Python" in why(project, "python2.py")
    assert "null bytes" in why(project, "nulls.py")
    assert "encoding" in why(project, "odd.py")
    assert "larger" in why(project, "big.py")
    assert why(project, "deep.py")
    assert "nowhere" in why(project, "dangling.py")
    assert "nowhere" in why(project, "loop.py")
    assert "out of the reviewed folder" in why(project, "outside.py")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_unread(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("x = 1\n")
    (tmp_path / "secret.py").chmod(0)
    assert "cannot be read" in why(Project.at(tmp_path), "secret.py")


def test_environments_builds_and_vendored_code_are_left_out(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "app/main.py": "",
            ".venv/lib/x.py": "",
            "node_modules/y.py": "",
            "build/lib/app/main.py": "",
            "app/_vendor/z.py": "",
            "myenv/pyvenv.cfg": "home = /usr",
            "myenv/lib/w.py": "",
            "app/build/__init__.py": "",
        },
    )
    assert sorted(s.path for s in project.sources) == ["app/build/__init__.py", "app/main.py"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("app/main.py", "app"),
        ("tests/test_users.py", "test"),
        ("app/users/test_service.py", "test"),
        ("conftest.py", "test"),
        ("alembic/versions/1_init.py", "migration"),
        ("app/db/migrations/env.py", "migration"),
        ("examples/demo.py", "example"),
        ("scripts/seed.py", "script"),
        ("setup.py", "script"),
        ("tools/release.py", "script"),
        ("app/core/setup.py", "app"),
        ("app/api/tasks.py", "app"),
        ("app/agent/tools/search.py", "app"),
        ("app/testimonials/routes.py", "app"),
    ],
)
def test_kind_by_folder(path: str, kind: str) -> None:
    assert kind_of(path) == kind


def test_lines_are_counted_as_python_does(tmp_path: Path) -> None:
    (tmp_path / "feed.py").write_bytes(b"x = 1\r\n\x0cy = 2\rz = 3\n")
    project = Project.at(tmp_path)
    assert project.text_of("feed.py")[2] == "z = 3"


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        ("app/versions/1_init.py", 'revision = "1"\ndown_revision = None\n', "migration"),
        ("app/cases/versions/service.py", "class Versions: ...\n", "app"),
        ("app/api/versions/v1.py", "", "app"),
        ("app/migrations/versions/env.py", "", "migration"),
    ],
)
def test_a_folder_of_versions_holds_migrations_where_they_say_so(path: str, text: str, kind: str) -> None:
    assert kind_of(path, text) == kind
