"""The skill in the real client, driven without a model: every command and file opens without a prompt.

Set CLAUDE_BIN to the client's program to run these; CONTRIBUTING.md says how to get one.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.client.scripted_model import Block, Conversation, converse, use
from tests.test_documents import committed

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "backend-architecture-design"
CLIENT = os.environ.get("CLAUDE_BIN", "")
PROJECT = REPOSITORY / "tests" / "client" / "project"

pytestmark = pytest.mark.skipif(not CLIENT, reason="CLAUDE_BIN names no client")


@dataclass(frozen=True)
class Installed:
    """The skill in one of the places where the client looks for it."""

    folder: Path
    home: Path
    project: Path
    listed_as: str
    options: tuple[str, ...] = ()

    @property
    def body(self) -> str:
        return (self.folder / "SKILL.md").read_text(encoding="utf-8").split("---\n", 2)[2]

    def ask(self, prompt: str, steps: Sequence[Sequence[Block]] = ()) -> Conversation:
        return converse(CLIENT, self.home, self.project, prompt, steps, *self.options)

    def after_invocation(self, *calls: Block) -> Conversation:
        """What happens when the user types the skill's name and the model makes these calls, one a turn."""
        return self.ask(f"/{self.listed_as} .", [[call] for call in calls])

    def command(self, arguments: str) -> Block:
        return use("Bash", command=f'python3 "{self.folder}/scripts/review.py" {arguments}', description="review")


@pytest.fixture(params=["personal", "project", "plugin"])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Installed:
    home, project = tmp_path / "home", tmp_path / "project"
    (home / ".claude").mkdir(parents=True)
    committed(PROJECT, project)
    folder, listed_as, options = {
        "personal": (home / ".claude" / "skills" / NAME, NAME, ()),
        "project": (project / ".claude" / "skills" / NAME, NAME, ()),
        "plugin": (tmp_path / NAME, f"{NAME}:{NAME}", ("--plugin-dir", str(tmp_path / NAME))),
    }[request.param]
    ignored = shutil.ignore_patterns(".*_cache", ".venv", ".git", "tests", "benchmarks", "__pycache__", ".hypothesis")
    shutil.copytree(REPOSITORY, folder, ignore=ignored)
    return Installed(folder, home, project, listed_as, options)


def test_listed_once_with_the_whole_description(installed: Installed) -> None:
    front = yaml.safe_load((installed.folder / "SKILL.md").read_text(encoding="utf-8").split("---\n")[1])
    lines = [line for line in installed.ask("hello").text.splitlines() if line.startswith(f"- {installed.listed_as}:")]
    assert [line.removeprefix(f"- {installed.listed_as}: ") for line in lines] == [front["description"]]


def test_body_comes_with_the_path_put_in(installed: Installed) -> None:
    text = installed.after_invocation().text
    assert f"Base directory for this skill: {installed.folder}" in text
    assert f'python3 "{installed.folder}/scripts/review.py" overview' in text
    assert "${CLAUDE_SKILL_DIR}" not in text


def test_every_named_command_runs_and_every_named_file_opens(installed: Installed) -> None:
    body = installed.body.replace("${CLAUDE_SKILL_DIR}", str(installed.folder))
    commands = re.findall(r"^python3 .*$", body, re.MULTILINE)
    files = sorted(set(re.findall(r"\]\(([A-Z_]+\.md)\)", body)))
    assert len(commands) >= 6
    assert len(files) == 6
    calls = [use("Bash", command=command, description="review") for command in commands]
    calls += [use("Read", file_path=str(installed.folder / file)) for file in files]
    conversation = installed.after_invocation(*calls)
    assert conversation.denials == []
    assert [text for failed, text in conversation.tool_results if failed] == []
    assert len(conversation.tool_results) == len(calls)


def test_report_is_checked_as_a_file_and_a_section_by_heredoc(installed: Installed) -> None:
    report = (PROJECT / "REVIEW.md").read_text(encoding="utf-8")
    section = report.split("## Issues Found\n")[1].split("## Improvement Priorities")[0]
    file, part = installed.command("check REVIEW.md"), installed.command(f"check - <<'EOF'\n{section}\nEOF")
    conversation = installed.after_invocation(file, part)
    assert conversation.denials == []
    assert len(conversation.tool_results) == 2
    for failed, text in conversation.tool_results:
        assert not failed, text
        assert text.startswith("Passes: 2 issues"), text


FORBIDDEN: tuple[Callable[[Installed], Block], ...] = (
    lambda at: use("Bash", command=f'python3 "{at.folder}/scripts/docs.py"', description="another script"),
    lambda at: use("Bash", command=f'python3 "{at.folder}/scripts/../evil.py"', description="out of the folder"),
    lambda at: use("Write", file_path=str(at.project / "new.py"), content="x = 1"),
)


@pytest.mark.parametrize("number", range(len(FORBIDDEN)))
def test_nothing_wider_is_granted(installed: Installed, number: int) -> None:
    assert len(installed.after_invocation(FORBIDDEN[number](installed)).denials) == 1
