"""What is handed out: the zip, the manifests, the action and the hook, judged by the tools that will read them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import package
from version import NAME, VERSION

REPOSITORY = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
Write = Callable[[Mapping[str, str]], Path]
APP = """\
import requests
from fastapi import FastAPI

app = FastAPI()


@app.get("/a")
async def a() -> int:
    requests.post("https://example.org", timeout=5)
    return 1
"""


def tool(name: str, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a development tool; skips where it is not installed beside this Python or on the PATH."""
    found = shutil.which(name, path=os.pathsep.join((str(BIN), os.environ.get("PATH", ""))))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return subprocess.run([found, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def skill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The skill as it comes out of the zip."""
    folder = tmp_path_factory.mktemp("unpacked")
    package.build(folder / "skill.zip")
    with zipfile.ZipFile(folder / "skill.zip") as archive:
        archive.extractall(folder)
    return folder / NAME


# The zip


def test_the_zip_is_the_same_every_time_and_passes_its_own_check(tmp_path: Path) -> None:
    package.build(tmp_path / "a.zip")
    package.build(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert list(package.check(tmp_path / "a.zip")) == []


def test_the_zip_holds_what_the_skill_needs_and_nothing_else(skill: Path) -> None:
    files = {file.relative_to(skill).as_posix() for file in skill.rglob("*") if file.is_file()}
    assert {"SKILL.md", "LICENSE", "SECURITY.md", "scripts/review.py", "scripts/report/template.md"} <= files
    assert {path.split("/")[0] for path in files if "/" in path} == {"scripts"}
    assert not files & package.DEVELOPMENT
    assert not [path for path in files if path.endswith(".pyc")]


def test_the_check_of_the_zip_can_fail(tmp_path: Path) -> None:
    package.build(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as whole, zipfile.ZipFile(tmp_path / "b.zip", "w") as broken:
        for entry in whole.infolist():
            if not entry.filename.endswith(("SECURITY.md", "catalogue.py")):
                broken.writestr(entry, whole.read(entry))
    problems = "\n".join(package.check(tmp_path / "b.zip"))
    assert "SKILL.md links SECURITY.md" in problems
    assert "its script does not run" in problems


def test_the_specification_accepts_the_skill(skill: Path) -> None:
    done = tool("agentskills", "validate", skill)
    assert done.returncode == 0, done.stdout + done.stderr
    (skill / "SKILL.md").rename(skill / "away.md")
    assert tool("agentskills", "validate", skill).returncode != 0
    (skill / "away.md").rename(skill / "SKILL.md")


def test_agnix_has_nothing_to_say(skill: Path) -> None:
    done = tool("agnix", "--strict", skill)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found 0 errors, 0 warnings" in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout), done.stdout


# Manifests


def test_one_version_everywhere() -> None:
    manifest = json.loads((REPOSITORY / ".claude-plugin" / "plugin.json").read_text(encoding="utf-8"))
    head = yaml.safe_load((REPOSITORY / "SKILL.md").read_text(encoding="utf-8").split("---\n")[1])
    project = re.search(
        r'^version = "(.*)"$', (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert project is not None
    assert {manifest["version"], head["metadata"]["version"], project[1]} == {VERSION}
    assert manifest["name"] == head["name"] == NAME


def test_plugin_and_marketplace_manifests_fit_each_other() -> None:
    folder = REPOSITORY / ".claude-plugin"
    plugin = json.loads((folder / "plugin.json").read_text(encoding="utf-8"))
    market = json.loads((folder / "marketplace.json").read_text(encoding="utf-8"))
    assert set(plugin) <= {"name", "version", "description", "author", "homepage", "repository", "license", "keywords"}
    assert isinstance(plugin["author"]["name"], str)
    assert (market["name"], market["owner"]["name"]) == (NAME, plugin["author"]["name"])
    (entry,) = market["plugins"]
    assert (entry["name"], entry["source"]) == (plugin["name"], "./")
    assert (REPOSITORY / entry["source"] / "SKILL.md").is_file()


def test_agnix_accepts_the_manifests(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / ".claude-plugin", tmp_path / NAME / ".claude-plugin")
    done = tool("agnix", tmp_path / NAME)
    assert done.returncode == 0, done.stdout + done.stderr


# The action


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
    return content


def test_the_action_fits_its_schema() -> None:
    done = tool("check-jsonschema", "--builtin-schema", "vendor.github-actions", REPOSITORY / "action.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_inputs_of_the_action_exist_are_used_and_only_as_variables(action: dict[str, Any]) -> None:
    (step,) = action["runs"]["steps"]
    used = re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", " ".join(step["env"].values()))
    assert sorted(used) == sorted(action["inputs"])
    assert "${{" not in step["run"]
    script = (REPOSITORY / ".ci" / "action.sh").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{?(REVIEW_\w+)", script)) == set(step["env"])
    documented = (REPOSITORY / "CI.md").read_text(encoding="utf-8")
    assert [name for name in action["inputs"] if f"`{name}`" not in documented and f" {name}: " not in documented] == []


def run_action(action: dict[str, Any], workspace: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The action's step as a runner runs it: from the workspace, with the inputs as variables."""
    if os.name == "nt" or shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    (step,) = action["runs"]["steps"]
    given = {name: inputs.get(name.replace("-", "_"), about["default"]) for name, about in action["inputs"].items()}
    variables = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: given[match[1]], value)
        for name, value in step["env"].items()
    }
    summary = workspace.parent / "summary.md"
    summary.write_text("", encoding="utf-8")
    runner = {"GITHUB_ACTION_PATH": str(REPOSITORY), "GITHUB_WORKSPACE": str(workspace), "CI": "true"}
    environment = {"PATH": os.environ["PATH"], "GITHUB_STEP_SUMMARY": str(summary), **runner, **variables}
    command = ["bash", "-e", "-c", step["run"]]
    return subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)


def test_the_action_annotates_summarizes_and_writes_sarif(
    action: dict[str, Any], write_tree: Write, tmp_path: Path
) -> None:
    workspace = write_tree({"back end/main.py": APP})
    sarif = str(tmp_path / "x.sarif")
    done = run_action(action, workspace, path="back end", sarif=sarif, fail_on="high", python=sys.executable)
    assert (done.returncode, done.stderr) == (1, "")
    assert "::error file=back end/main.py,line=9," in done.stdout
    assert "ASY001" in (workspace.parent / "summary.md").read_text(encoding="utf-8")
    results = json.loads(Path(sarif).read_text(encoding="utf-8"))["runs"][0]["results"]
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "back%20end/main.py"
    assert run_action(action, workspace, path="back end", python=sys.executable).returncode == 0


def test_inputs_of_the_action_cannot_run_anything(action: dict[str, Any], write_tree: Write, tmp_path: Path) -> None:
    workspace = write_tree({"main.py": APP})
    evil = f"$(touch {tmp_path / 'ran'})`touch {tmp_path / 'ran'}`; touch {tmp_path / 'ran'}"
    for name in ("path", "since", "baseline", "dimension", "impact", "fail_on", "config"):
        done = run_action(action, workspace, python=sys.executable, **{name: evil})
        assert done.returncode == 2, (name, done.stdout)
    assert not (tmp_path / "ran").exists()


def test_nothing_to_analyse_fails_the_step(action: dict[str, Any], write_tree: Write) -> None:
    assert run_action(action, write_tree({"a.txt": "x"}), python=sys.executable).returncode == 3


def test_also_writes_only_in_continuous_integration(write_tree: Write, review: Any, tmp_path: Path) -> None:
    root, file = write_tree({"main.py": APP}), tmp_path / "x.md"
    asked = ("signals", root, "--check", "ASY001", "--also")
    path = {"PATH": os.environ["PATH"]}
    done = review(*asked, f"markdown={file}", env=path)
    assert (done.returncode, done.stdout, file.exists()) == (2, "", False)
    assert "continuous integration" in done.stderr
    assert review(*asked, f"markdown={file}", env=path | {"CI": "true"}).returncode == 0
    assert file.read_text(encoding="utf-8").startswith("## 1 architecture signal")
    for wrong, said in (
        (f"markdwn={file}", "did you mean markdown?"),
        ("x", "FORMAT=FILE"),
        ("json=/", "cannot be written"),
    ):
        done = review(*asked, wrong, env=path | {"CI": "true"})
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr


# The hook


def test_the_hook_fits_its_schema_and_names_what_exists() -> None:
    manifest = REPOSITORY / ".pre-commit-hooks.yaml"
    done = tool("pre-commit", "validate-manifest", manifest)
    assert done.returncode == 0, done.stdout + done.stderr
    (hook,) = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    entry = REPOSITORY / hook["entry"].split()[0]
    assert entry.read_text(encoding="utf-8").startswith("#!/usr/bin/env python3\n")
    assert os.name == "nt" or os.access(entry, os.X_OK)


def test_the_hook_stops_a_commit(tmp_path: Path) -> None:
    if os.name == "nt" or shutil.which("git") is None:
        pytest.skip("git is not installed")
    copy, project = tmp_path / "hooks", tmp_path / "project"
    shutil.copytree(REPOSITORY / "scripts", copy / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / ".pre-commit-hooks.yaml", copy)
    project.mkdir()
    (project / "main.py").write_text(APP.replace("async def", "def"), encoding="utf-8")
    for folder in (copy, project):
        git(folder, "init", "-q")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "x")
    asked = ("try-repo", copy, "backend-architecture-signals", "--all-files", "--verbose")
    done = try_hook(project, *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    (project / "main.py").write_text(APP, encoding="utf-8")
    git(project, "add", "-A")
    done = try_hook(project, *asked)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ASY001" in done.stdout


def environment(home: Path) -> dict[str, str]:
    who = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {"PATH": os.environ["PATH"], "HOME": str(home), "PRE_COMMIT_HOME": str(home / "cache"), **who}


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, env=environment(folder.parent), check=True, capture_output=True)


def try_hook(project: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    found = shutil.which("pre-commit", path=str(BIN))
    if found is None:
        pytest.skip("pre-commit is not installed")
    command = [found, *map(str, arguments)]
    return subprocess.run(
        command, cwd=project, env=environment(project.parent), capture_output=True, text=True, check=False
    )
