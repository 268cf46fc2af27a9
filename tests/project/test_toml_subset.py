"""The reader for Python 3.10 gives what `tomllib` gives."""

from __future__ import annotations

import pytest

from project.stack.toml_subset import TomlError, loads

DOCUMENTS = {
    "empty": "",
    "comments": "# one\n  # two\na = 1 # three\n",
    "numbers": "a = 1\nb = -1_000\nc = 0xFF\nd = 0o17\ne = 0b101\nf = 1.5e-3\ni = inf\nj = +0.0\n",
    "booleans": "g = true\nh = false\n",
    "strings": 'a = "x\\t\\"y\\" \\u00e9\\U0001F600"\nb = \'C:\\path\'\nc = ""\nd = \'\'\n',
    "strings of several lines": 'a = """\none\n"two" ""three""\\\n   four\n"""\nc = """x""""\n',
    "literal strings of several lines": "b = '''\n'five' \\n'''\nd = ''''y'''''\n",
    "keys": 'a.b.c = 1\na.b.d = 2\n"x y"."z.w" = 3\n\'q\' = 4\n1234 = 5\n-_ = 6\n',
    "tables": '[a]\nx = 1\n[a.b]\ny = 2\n[ c . "d.e" ]\nz = 3\n[a.b.c]\n',
    "a table after the one below it": "[a.b]\nx = 1\n[a]\ny = 2\n",
    "arrays of tables": "[[a]]\nx = 1\n[[a]]\nx = 2\n[a.b]\ny = 3\n[[a.c]]\nz = 4\n[[a.c]]\n",
    "arrays": "a = [1, 2, 3,]\nb = [\n  # comment\n  'x', # y\n  [ 'z', [] ],\n]\nc = []\n",
    "inline tables": "a = { x = 1, y.z = 'two', w = { } }\nb = [{ c = 1 }, { c = 2 }]\n",
    "line ends of DOS": "a = 1\r\n[b]\r\nc = '''x\r\ny'''\r\n",
    "no line end": "a = 1",
    "pyproject": """
[project]
name = "app"
requires-python = ">=3.11,<4.0"
dependencies = [
    "fastapi[standard]>=0.115,<1.0.0",
    'sqlalchemy>=2 ; python_version < "3.13"', # why
]
[project.optional-dependencies]
dev = ["pytest"]
[tool.poetry.dependencies]
uvicorn = { version = "^0.22.0", extras = ["standard"] }
[tool.ruff.lint.per-file-ignores]
"__init__.py" = ["F401"]
[[tool.mypy.overrides]]
module = "app.*"
disallow_untyped_defs = true
""",
}
BROKEN = (
    "a",
    "a =",
    "a = 1 b = 2",
    "a = 1\na = 2",
    "[a]\n[a]",
    "a = [1",
    "a = {x = 1",
    'a = "x',
    'a = """x',
    "a = 'x\ny'",
    "= 1",
    "[a",
    "[]",
    "a = tru",
    "a = 01",
    'a = "\\q"',
    'a = "\\ud800"',
    "a = {}\na.b = 1",
    "a = [1]\n[[a]]",
    "a = 1\n[a.b]",
    "a = " + "[" * 200_000,
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_tomllib_reads(name: str) -> None:
    tomllib = pytest.importorskip("tomllib")
    assert loads(DOCUMENTS[name]) == tomllib.loads(DOCUMENTS[name])


@pytest.mark.parametrize("text", BROKEN)
def test_what_tomllib_refuses(text: str) -> None:
    with pytest.raises(TomlError, match=r"at line \d+"):
        loads(text)


def test_values_without_tomllib() -> None:
    document = loads(DOCUMENTS["pyproject"])
    assert document["project"]["dependencies"][1] == 'sqlalchemy>=2 ; python_version < "3.13"'
    assert document["tool"]["mypy"]["overrides"] == [{"module": "app.*", "disallow_untyped_defs": True}]


def test_dates_stay_text() -> None:
    assert loads("a = 1979-05-27T07:32:00Z\nb = [1979-05-27, 07:32:00]\nc = 1979-05-27 07:32:00\n") == {
        "a": "1979-05-27T07:32:00Z",
        "b": ["1979-05-27", "07:32:00"],
        "c": "1979-05-27 07:32:00",
    }
