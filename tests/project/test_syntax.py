"""Newer grammar read by an older interpreter: the same names at the same places as a newer interpreter gives."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys

import pytest

from project.files.syntax import parse

NAMES = """
import ast, json, sys
print(json.dumps([sorted((n.id, n.lineno, n.col_offset) for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name))
                  for text in json.load(sys.stdin)]))
"""

# Source, and where its names stand: "name line.column", in the order of the text.
EXCEPT_WITHOUT_PARENTHESES = {
    "try:\n    a()\nexcept B, C:\n    d()\n": "a 2.4 B 3.7 C 3.10 d 4.4",
    "try: a\nexcept B.x, C, D : e\n": "a 1.5 B 2.7 C 2.12 D 2.15 e 2.19",
    "try: a\nexcept B, C: d = e\nelse: f\n": "a 1.5 B 2.7 C 2.10 d 2.13 e 2.17 f 3.6",
    "try: a\nexcept* B, C: d\n": "a 1.5 B 2.8 C 2.11 d 2.14",
    "try: a\nexcept *B, C:\n    d\n": "a 1.5 B 2.8 C 2.11 d 3.4",
    "try: a\nexcept \\\n  B, \\\n  C: d\nexcept (E, F) as g: h\n": "a 1.5 B 3.2 C 4.2 d 4.5 E 5.8 F 5.11 h 5.20",
}
EXCEPT_STAR = {
    "try: a\nexcept* B: c\n": "a 1.5 B 2.8 c 2.11",
    "try: a\nexcept *(B, C) as d:\n    d\n": "a 1.5 B 2.9 C 2.12 d 3.4",
}
TYPE_PARAMETERS = {
    "def f[T](a: T = b) -> c: d\n": "T 1.12 b 1.16 c 1.22 d 1.25",
    "async def f[\n    T, # comment\n\n    *Ts, **P,\n](a):\n    b\n": "b 6.4",
    "class C[T](B):\n    a = b\n": "B 1.11 a 2.4 b 2.8",
    "class C[T]: a: b\n": "a 1.12 b 1.15",
}
TYPE_PARAMETER_DEFAULTS = {
    "class C[T = int, *Ts = *tuple[a, b], **P = [c]](B): d\n": "B 1.48 d 1.52",
    "def f[T: x = y](a): b\n": "b 1.20",
}
TYPE_ALIASES = {
    "type X = a\nX\n": "X 1.5 a 1.9 X 2.0",
    "if a:\n    type X[T] = b[T]; c\n": "a 1.3 X 2.9 b 2.16 T 2.18 c 2.22",
    "type X[\n  T\n] = [\n  a]\n": "X 1.5 a 4.2",
    "class C:\n    type X[T = int] = a\n": "X 2.9 a 2.22",
}
F_STRINGS = {
    'f"{a["b"]} {c}"\n': "a 1.3 c 1.12",
    'x = f"{f"{f"{a}" + b}"}"\n': "x 1.0 a 1.13 b 1.19",
    "f\"{'\\n'.join(a)}\"\n": "a 1.13",
    'f"""\n{ # comment\n  a["""b"""]\n}\n{c!r:>{d}}"""; e\n': "a 3.2 c 5.1 d 5.7 e 5.15",
    'f"{\n  a\n}{b}"; c\n': "a 2.2 b 3.2 c 3.7",
    'f"é{ü["ö"]}é{b["c"]}"\n': "ü 1.5 b 1.17",
    '(f"{a["b"]}" "c{d}"\n  # comment\n  f"{e}" % g)\n': "a 1.4 e 3.5 g 3.11",
    'x = 1 if y else"a"f"{b["c"]}"\n': "x 1.0 y 1.9 b 1.21",
    'f"{a:{b:{c}}}"\n': "a 1.3 b 1.6 c 1.9",
    'f"{a, b["c"]}{d,}{*e, *f}{g["h"]:x}"\n': "a 1.3 b 1.6 d 1.14 e 1.19 f 1.23 g 1.26",
    'f"{a != b}{a == b}{(x := c)}{lambda_["d"]!s:=^5}"\n': "a 1.3 b 1.8 a 1.11 b 1.16 x 1.20 c 1.25 lambda_ 1.29",
    'f"{a = } {b["c"]=!s:<9}"\n': "a 1.3 b 1.10",
    'f"\\N{DIGIT ONE}\\x41{{}}{a["b"]}"\n': "a 1.24",
    "rf'\\d{a['b']}\\{c}'\n": "a 1.6 c 1.15",
    'f"abc \\\n  {a["b"]}"\n': "a 2.3",
    'f"{a["b"]}".join(f"{c["d"]}" for c in d)[0](e)\n': "a 1.3 c 1.20 c 1.33 d 1.38 e 1.44",
}
T_STRINGS = {
    't"{a} b"\n': "a 1.3",
    'tr"{a["b"]:{c}}\\d" rT"{d}"\n': "a 1.4 c 1.12 d 1.23",
    't"""{a =\\\n}{b = \\\n!r}{c}"""\n': "a 1.5 b 2.2 c 3.4",
}
STARS = {
    "a[*b]\n": "a 1.0 b 1.3",
    "a[b, *c, 1:2] = d\n": "a 1.0 b 1.2 c 1.6 d 1.16",
    "def f(*args: *Ts) -> a[*Ts]: b\n": "Ts 1.14 a 1.21 Ts 1.24 b 1.29",
    "def f(\n    *args: *tuple[a, *b],\n): c\n": "tuple 2.12 a 2.18 b 2.22 c 3.3",
}
UNPACKING_COMPREHENSIONS = {
    "[*a for a in b]\n": "a 1.2 a 1.8 b 1.13",
    "{**a for a in b if [*c, d]}\n": "a 1.3 a 1.9 b 1.14 c 1.21 d 1.24",
    "f(*a for a in b)\n": "f 1.0 a 1.3 a 1.9 b 1.14",
}
LAZY_IMPORTS = {
    "lazy import json\nlazy from a import b\nif c:\n    lazy import d.e as f\n": "c 3.3",
}
CONSTRUCTS: dict[tuple[int, int], list[dict[str, str]]] = {
    (3, 11): [EXCEPT_STAR, STARS],
    (3, 12): [TYPE_PARAMETERS, TYPE_ALIASES, F_STRINGS],
    (3, 13): [TYPE_PARAMETER_DEFAULTS],
    (3, 14): [EXCEPT_WITHOUT_PARENTHESES, T_STRINGS],
    (3, 15): [LAZY_IMPORTS, UNPACKING_COMPREHENSIONS],
}
CASES = [(v, text, places) for v, groups in CONSTRUCTS.items() for group in groups for text, places in group.items()]


def names(tree: ast.AST) -> list[tuple[str, int, int]]:
    """(name, line, column in characters would be the same but for non-ASCII text: bytes) of every name, sorted."""
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        for parameter in getattr(node, "type_params", [])
        for inner in ast.walk(parameter)
    }
    return sorted(
        (n.id, n.lineno, n.col_offset) for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in skipped
    )


def expected(places: str) -> list[tuple[str, int, int]]:
    words = places.split()
    return sorted((n, *map(int, at.split("."))) for n, at in zip(words[::2], words[1::2], strict=True))  # type: ignore[misc]


@pytest.mark.parametrize(("version", "text", "places"), CASES, ids=[text for _, text, _ in CASES])
def test_names_stay_where_they_are(version: tuple[int, int], text: str, places: str) -> None:
    tree, rewritten = parse(text, "a.py")
    found = names(tree)
    if rewritten and "type X" in text:  # the name that is assigned moves to the start of the statement
        assert [(n, line) for n, line, _ in found] == [(n, line) for n, line, _ in expected(places)]
    else:
        assert found == expected(places)
    if sys.version_info < version:
        assert rewritten


@pytest.mark.parametrize(("version", "text", "places"), CASES, ids=[text for _, text, _ in CASES])
def test_the_tree_compiles(version: tuple[int, int], text: str, places: str) -> None:
    compile(parse(text, "a.py")[0], "a.py", "exec")


def runs(interpreter: str) -> bool:
    """Whether it is there, and no launcher of one that is not."""
    if shutil.which(interpreter) is None:
        return False
    return subprocess.run([interpreter, "-c", ""], capture_output=True, check=False).returncode == 0


NEWER = [v for v in range(sys.version_info.minor + 1, 20) if runs(f"python3.{v}")]


@pytest.mark.skipif(not NEWER, reason="no newer interpreter on PATH")
def test_a_newer_interpreter_finds_the_same_names() -> None:
    minor = NEWER[-1]
    texts = [text for version, text, _ in CASES if version <= (3, minor) and "type X" not in text and " = " not in text]
    run = subprocess.run(
        [f"python3.{minor}", "-I", "-c", NAMES], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    for text, newer in zip(texts, json.loads(run.stdout), strict=True):
        if "[T" not in text:
            assert names(parse(text, "a.py")[0]) == [tuple(name) for name in newer], text


def test_an_f_string_means_what_it_meant() -> None:
    scope = {"a": {"b": "B"}, "c": 3, "d": "x", "w": {"n": 6}}
    text = r"""[
f"{a["b"]} {c:>{w["n"]}}|" 'plain\x41{}' f'{{\x42}}\N{DIGIT ONE}{d!r}',
f"{c = }{c=:>3}{a["b"]=!s}", f"{'\n'.join([d, d])}", rf"\d{a["b"]}\{c}", f"{(lambda x: x)(a["b"])}{c, d}{c,}",
f'''{
  a["b"]   # comment
} it's
\
 {"".join('''d''')}''', f"{a["b"]:{"<"}{4}}|", f"{"}" + a["b"]}", f"a\
{a["b"]}"]"""
    tree, _ = parse(text, "a.py")
    assert eval(compile(ast.Expression(tree.body[0].value), "a.py", "eval"), scope) == [  # type: ignore[attr-defined]
        "B      3|plainA{}{B}1'x'", "c = 3c=  3a[\"b\"]=B", "x\nx", "\\dB\\3", "B(3, 'x')(3,)",
        "B it's\n d", "B   |", "}B", "aB",
    ]  # fmt: skip


def test_an_f_string_stays_one_joined_string() -> None:
    tree, _ = parse('execute(f"select {a["b"]} from t where x = {c!r:>{d}}")\n', "a.py")
    joined = tree.body[0].value.args[0]  # type: ignore[attr-defined]
    assert isinstance(joined, ast.JoinedStr)
    assert [type(v).__name__ for v in joined.values] == ["Constant", "FormattedValue", "Constant", "FormattedValue"]
    assert (joined.lineno, joined.col_offset, joined.end_col_offset) == (1, 8, 54)


def test_what_only_looks_newer_is_not_rewritten() -> None:
    texts = (
        "match x:\n    case [a, *b]: pass\n",
        "match [*a, b]:\n    case _: pass\n",
        "type = 1\ntype.x = [*a]\nprint(type, type [0])\nlazy = type\n",
        "x = f\"{a['b']} {c!r:>{d}}\"\ny = [*a, *b]\nz = f(*a, **b)\n",
        "try: a\nexcept (B, C): d\nexcept E as e: f\nexcept: g\n",
    )
    for text in texts:
        assert parse(text, "a.py")[1] is False, text
        if sys.version_info >= (3, 15):
            continue
        newer = "try: a\nexcept B, C: d\n" if sys.version_info < (3, 14) else "lazy import json\n"
        tree, rewritten = parse(text + newer, "a.py")
        assert rewritten and ast.dump(ast.parse(text)) == ast.dump(
            ast.Module(tree.body[: len(ast.parse(text).body)], [])
        )


def test_line_ends_of_every_kind() -> None:
    text = 'type X[\r\n T] = a\r\ntry: b\rexcept C, D: e\r\nf"{g}{h["i"]}"\n'
    assert [(n, line) for n, line, _ in names(parse(text, "a.py")[0])] == [
        ("C", 4), ("D", 4), ("X", 1), ("a", 2), ("b", 3), ("e", 4), ("g", 5), ("h", 5),
    ]  # fmt: skip


def test_a_byte_order_mark_is_no_error() -> None:
    tree, rewritten = parse("\ufeffa = 1\n", "a.py")
    assert names(tree) == [("a", 1, 0)] and not rewritten


def test_the_parsers_own_error_is_raised() -> None:
    with pytest.raises(SyntaxError) as caught:
        parse("x = 1\n\ndef f(:\n", "app/a.py")
    assert (caught.value.filename, caught.value.lineno) == ("app/a.py", 3)


def test_the_error_names_the_python_that_was_meant() -> None:
    with pytest.raises(SyntaxError, match="Python 2"):
        parse("try:\n    pass\nexcept A, e:\n    print 'x'\n", "a.py")
    if sys.version_info < (3, 14):
        for newer in ("try:\n    pass\nexcept A, B:\n    pass\n", "x = t'{y}'\n"):
            with pytest.raises(SyntaxError, match=r"holds syntax of Python 3\.14"):
                parse(newer + "x = = 1\n", "a.py")


HOSTILE = {
    "brackets": "(" * 50_000,
    "f-strings in f-strings": 'f"{' * 20_000,
    "format specifications": 'f"{a:' + "{b:" * 20_000,
    "excepts": "except " * 20_000,
    "type parameters": "class C[" * 20_000,
    "fields": 'x = f"' + '{a["b"]}' * 20_000 + '"',
    "one long line of strings": "x = [" + 'f"é{a["b"]}", ' * 20_000 + "]",
    "debug fields": 'f"{a' + "= " * 50_000,
    "comments in a tail": 'f"{a =' + "#\n" * 50_000,
    "quotes": "'\"" * 50_000,
    "backslashes": "f'" + "\\" * 100_001,
    "open string": "f'''" + "{{" * 50_000,
    "null": "a\0b",
    "surrogate": "a = '\udc80'",
    "line separators": "a\x0b\x0c\x1c\u2028b\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_raises_only_what_is_promised(name: str) -> None:
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        assert isinstance(parse(HOSTILE[name], "a.py")[0], ast.Module)


def test_any_text_raises_only_what_is_promised() -> None:
    words = (
        "except|A|,|:|\n|(|)|[|]|{|}|f\"|\"|'|f'''|'''|\\|type|X|=|def|class|*|lazy|import| |    |#|!|r|t\"|é|\r|;|0"
    )
    chance = random.Random(int(os.environ.get("SEED", "1")))
    for _ in range(3_000):
        text = "".join(chance.choices(words.split("|"), k=chance.randrange(1, 40)))
        try:
            tree, _rewritten = parse(text, "a.py")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        assert isinstance(tree, ast.Module), text
