"""SKILL.md, the six documents and the manifests: complete, consistent with the checks, and every command runs."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import docs
from catalogue import CHECKS, DIMENSIONS
from report import evidence

REPOSITORY = Path(__file__).resolve().parents[1]
SKILL = REPOSITORY / "SKILL.md"
DOCUMENTS = [REPOSITORY / dimension.document for dimension in DIMENSIONS]
PAGES = [SKILL, *DOCUMENTS, *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CI.md"))]
COMMAND = 'python3 "${CLAUDE_SKILL_DIR}/scripts/review.py"'
FRONTMATTER_KEYS = {"name", "description", "license", "compatibility", "metadata", "allowed-tools"}
FENCE = re.compile(r"^([ \t]*)(`{3,})([^\n`]*)\n(.*?)^[ \t]*\2[ \t]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda page: page.name)
RunReview = Callable[..., "subprocess.CompletedProcess[str]"]


def frontmatter() -> dict[str, Any]:
    content = yaml.safe_load(SKILL.read_text(encoding="utf-8").split("---\n")[1])
    assert isinstance(content, dict)
    return content


def body() -> str:
    return SKILL.read_text(encoding="utf-8").split("---\n", 2)[2]


def test_generated_chapters_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(Path(docs.__file__)), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_generated_chapter_replaces_only_itself() -> None:
    dimension = DIMENSIONS[0]
    once = docs.with_chapter("# Title\n\nBy hand.\n", dimension)
    assert once.startswith(f"# Title\n\nBy hand.\n\n{docs.MARKER}\n## Checks\n")
    assert docs.with_chapter(once, dimension) == once


def test_six_dimensions_documents_and_modules() -> None:
    assert len(DIMENSIONS) == len(DOCUMENTS) == 6
    assert len({d.prefix for d in DIMENSIONS}) == len({d.module for d in DIMENSIONS}) == 6
    others = {"SKILL.md", "REVIEW.md", "AGENTS.md", "CLAUDE.md"}
    named_by_hand = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\.md\b", body())) - others
    assert named_by_hand == {dimension.document for dimension in DIMENSIONS}
    table = re.findall(r"^\| (.+?): .*\[(\w+\.md)\]\(\2\) \| `(\w+)` \|$", body(), re.MULTILINE)
    assert table == [(d.title, d.document, d.module) for d in DIMENSIONS]
    for dimension in DIMENSIONS:
        scripts = REPOSITORY / "scripts"
        assert (scripts / f"{dimension.module}.py").is_file() or (scripts / dimension.module / "__init__.py").is_file()


@pytest.mark.parametrize("number", range(1, 9))
def test_every_anti_pattern_has_checks(number: int) -> None:
    assert len([check for check in CHECKS if check.anti_pattern == number]) >= 2


def test_every_anti_pattern_stands_in_a_document() -> None:
    text = " ".join(page.read_text(encoding="utf-8") for page in DOCUMENTS)
    assert [number for number in range(1, 9) if not re.search(rf"[Aa]nti-pattern {number}\b", text)] == []


@each_page
def test_links_and_anchors_resolve(page: Path) -> None:
    text = _without_fences(page.read_text(encoding="utf-8"))
    links = [link for link in LINK.findall(text) if not re.match(r"https?://|mailto:", link)]
    for link in links:
        name, _, anchor = link.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_file() or (file.is_dir() and not anchor), link
        if anchor:
            assert anchor in evidence.anchors(file.relative_to(REPOSITORY).as_posix()), link


@each_document
def test_documents_do_not_chain(document: Path) -> None:
    links = LINK.findall(_without_fences(document.read_text(encoding="utf-8")))
    assert [link for link in links if re.match(r"(?!https?:|#)[^#]*\.md", link)] == []
    assert "${" not in document.read_text(encoding="utf-8"), "nothing is substituted in reference files"


@each_document
def test_long_document_starts_with_its_contents(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    chapters = re.findall(r"^## (.+)$", _without_fences(text), re.MULTILINE)
    assert chapters[-1] == "Checks"
    if text.count("\n") > 100:
        contents = "\n".join(text.splitlines()[:40])
        assert "Contents" in contents
        assert [title for title in chapters if title != "Contents" and title not in contents] == []


@each_document
def test_document_is_read_in_one_go(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert len(text) <= 34_000, "about 10,000 tokens, with the chapter of checks"
    assert text.partition(docs.MARKER)[0].count("\n") <= 500


@each_page
def test_python_blocks_compile(page: Path) -> None:
    for block in _blocks(page, "python"):
        compile(block, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def test_documents_have_python_blocks() -> None:
    assert [page.name for page in DOCUMENTS if not any(_blocks(page, "python"))] == []


@each_page
def test_named_checks_exist(page: Path) -> None:
    known = {check.id for check in CHECKS}
    prefixes = "|".join(dimension.prefix for dimension in DIMENSIONS)
    text = page.read_text(encoding="utf-8")
    placeholders = {f"{dimension.prefix}999" for dimension in DIMENSIONS}
    assert set(re.findall(rf"\b(?:{prefixes})\d{{3}}\b", text)) - placeholders <= known


@each_page
def test_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/.])((?:scripts|tests|evals|benchmarks)/[\w./-]*\w)", text))
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_frontmatter_follows_the_specification() -> None:
    front = frontmatter()
    assert set(front) == FRONTMATTER_KEYS
    assert front["name"] == "backend-architecture-design"
    assert 0 < len(front["description"]) <= 1024
    assert not re.search(r"\b(I|you|your|we)\b", front["description"])
    for words in (
        "FastAPI",
        "Use when",
        "backend",
        "architecture",
        "N+1",
        "async",
        "security",
        "refactor",
        "restructur",
    ):
        assert words in front["description"], words
    assert 0 < len(front["compatibility"]) <= 500
    assert all(isinstance(value, str) for value in front["metadata"].values())


def test_allowed_tools_grant_the_commands_and_nothing_wider() -> None:
    assert frontmatter()["allowed-tools"] == f"Bash({COMMAND} *) Read(/${{CLAUDE_SKILL_DIR}}/**) Grep Glob"
    assert re.findall(r"python3 [^\n`]*review\.py\"?", body())
    assert all(found == COMMAND for found in re.findall(r"python3 [^\n`]*review\.py\"?", body()))


def test_body_is_short_and_free_of_substitutions() -> None:
    text = body()
    assert text.count("\n") < 500
    assert len(text) / 3.3 < 5_000, "about this many characters make a token in text with tables and paths"
    assert re.findall(r"\$(?!\{CLAUDE_SKILL_DIR\})\S*", text) == [], (
        "the client replaces other words with a dollar sign"
    )
    assert not re.search(r"(?m)(^|\s)!`", text), "this would run a command while loading"


def committed(source: Path, folder: Path) -> Path:
    """A copy of a folder as a repository with one commit on the branch main."""
    shutil.copytree(source, folder)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    return folder


def test_every_command_of_the_skill_runs(review: RunReview, tmp_path: Path) -> None:
    commands = [line.removeprefix(COMMAND) for line in body().splitlines() if line.startswith(COMMAND)]
    assert len(commands) >= 6
    app = committed(REPOSITORY / "tests" / "apps" / "messy", tmp_path / "messy")
    for command in commands:
        name, *rest = shlex.split(command)
        if name in ("check", "report"):
            assert review(name, *rest).returncode == 2, "there is no such report in the folder"
            continue
        target = () if name == "explain" else (str(app),)
        done = review(name, *target, *rest)
        assert (done.returncode, done.stderr) == (0, ""), command
    for option in re.findall(r"`--(\w+)", body()):
        assert any(f"--{option}" in review(name, "--help").stdout for name in ("signals", "routes")), option


def test_redesign_chapter_speaks_of_what_the_command_prints(review: RunReview) -> None:
    text = (REPOSITORY / "CODE_ORGANIZATION.md").read_text(encoding="utf-8")
    chapter = text.partition("## Redesign with the draft\n")[2].partition("\n## ")[0]
    printed = review("redesign", str(REPOSITORY / "tests" / "apps" / "messy")).stdout
    for words in ("Keep", "stay shared", "imported by no domain"):
        assert words in chapter
        assert words in printed


def test_report_template_is_the_one_that_is_checked() -> None:
    fence = re.search(r"^````markdown\n(.*?)^````$", body(), re.MULTILINE | re.DOTALL)
    assert fence is not None
    assert fence[1] == (Path(evidence.__file__).parent / "template.md").read_text(encoding="utf-8")


def test_manifests_agree_with_the_skill() -> None:
    plugin = json.loads((REPOSITORY / ".claude-plugin" / "plugin.json").read_text(encoding="utf-8"))
    market = json.loads((REPOSITORY / ".claude-plugin" / "marketplace.json").read_text(encoding="utf-8"))
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    version = frontmatter()["metadata"]["version"]
    assert (plugin["name"], plugin["version"]) == (frontmatter()["name"], version)
    assert f'version = "{version}"' in project
    assert f"## {version}" in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert market["name"]
    assert market["owner"]["name"]
    (entry,) = market["plugins"]
    assert (entry["name"], entry["source"]) == (frontmatter()["name"], "./")
    assert entry["description"]


def test_evals_name_folders_and_expectations() -> None:
    content = json.loads((REPOSITORY / "evals" / "evals.json").read_text(encoding="utf-8"))
    assert content["skill_name"] == frontmatter()["name"]
    assert len(content["evals"]) >= 8
    assert len({one["id"] for one in content["evals"]}) == len(content["evals"])
    for one in content["evals"]:
        assert one["prompt"]
        assert one["expected_output"]
        assert len(one["expectations"]) >= 3
        assert all((REPOSITORY / file).exists() for file in one["files"])


def test_output_shown_in_the_readme_is_what_is_printed(review: RunReview) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"^\$ python3 scripts/review\.py (.+)\n((?:.*\n)+?)```$", text, re.MULTILINE)
    assert shown is not None
    arguments = [str(REPOSITORY / word) if word.startswith("tests/") else word for word in shown[1].split()]
    assert review(*arguments).stdout.strip() == shown[2].strip()


def test_trigger_queries_are_half_near_misses() -> None:
    queries = json.loads((REPOSITORY / "evals" / "triggers.json").read_text(encoding="utf-8"))
    assert len({one["query"] for one in queries}) == len(queries) >= 20
    assert [set(one) for one in queries if set(one) != {"query", "should_trigger"}] == []
    assert sum(one["should_trigger"] is True for one in queries) == sum(
        one["should_trigger"] is False for one in queries
    )


def _blocks(page: Path, language: str) -> Iterator[str]:
    """Fenced blocks of a language, without the indentation of a list they stand in."""
    for _, _, info, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if info.split()[:1] == [language]:
            yield inspect.cleandoc("\n" + text)


def _without_fences(text: str) -> str:
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", text))
