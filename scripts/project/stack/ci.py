"""What the continuous integration runs, through the scripts, Makefile targets and hooks that its commands name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from project.place import Place
from project.stack.commands import is_run, simple_commands
from project.stack.config_files import ConfigFiles, logical_lines
from project.stack.containers import Image, image_of
from project.stack.runners import is_foreign, is_unfollowed, tasks
from project.stack.tools import Hook
from project.stack.versions import Version

_SYSTEMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("GitHub Actions", re.compile(r"(^|/)\.(github|gitea|forgejo)/workflows/[^/]+\.ya?ml$")),
    ("GitLab CI", re.compile(r"(^|/)(\.gitlab-ci\.ya?ml|\.gitlab/(.+/)?[^/]+\.ya?ml|[^/]+\.gitlab-ci\.ya?ml)$")),
    ("Azure Pipelines", re.compile(r"(^|/)(azure-pipelines[^/]*\.ya?ml|\.?azure-pipelines/(.+/)?[^/]+\.ya?ml)$")),
    ("CircleCI", re.compile(r"(^|/)\.circleci/[^/]+\.ya?ml$")),
    ("Bitbucket Pipelines", re.compile(r"(^|/)bitbucket-pipelines\.ya?ml$")),
    ("Travis CI", re.compile(r"(^|/)\.travis\.ya?ml$")),
    ("Drone", re.compile(r"(^|/)\.(drone|woodpecker)\.ya?ml$|(^|/)\.woodpecker/[^/]+\.ya?ml$")),
    ("AWS CodeBuild", re.compile(r"(^|/)buildspec[\w.-]*\.ya?ml$")),
    ("Google Cloud Build", re.compile(r"(^|/)cloudbuild[\w.-]*\.ya?ml$")),
    ("Jenkins", re.compile(r"(^|/)Jenkinsfile[\w.-]*$")),
)
_RUN_KEYS = frozenset(
    ("run", "script", "before_script", "after_script", "bash", "pwsh", "sh", "command", "commands", "args", "install")
)
_PYTHON_KEYS = frozenset(
    ("python-version", "python_version", "python", "PYTHON_VERSION", "python-versions", "versionSpec")
)
_PYTHON = re.compile(r"(?:^|python[:-]?)\s*(3\.\d{1,2}(?:\.\d+)?)\b")
_JENKINS = re.compile(r"""\b(?:sh|bat)\b\s*\(?\s*(?:script:\s*)?('''|\"\"\"|'|")(.*?)\1""", re.DOTALL)
_SCRIPT = re.compile(r"[\w./-]+\.sh\b")
_HOOK_ACTION = re.compile(r"^pre-commit(-ci)?/(lite-)?action\b|^j178/prek-action\b")
_REUSABLE = re.compile(r"\./(\.(?:github|gitea|forgejo)/workflows/[^/@\s]+\.ya?ml)$")
_LOCAL = re.compile(r"\.{1,2}/\S")
_INPUT = re.compile(r"\$\{\{\s*inputs\.([\w-]+)\s*\}\}")
_MAX_DEPTH = 3

# Tasks and scripts that say by their name what they do.
_RUNNER = r"|\b(?:(?:hatch|pdm|poe|rye|just|task|inv|invoke|make)(?: run)? (?:[\w:-]*[:-])?|(?:scripts?|bin)/)"
KINDS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "tests": r"\bpy\.?test\b|\bunittest\b|\bcoverage run\b|\b(tox|nox)\b|\bmanage\.py test\b"
        + _RUNNER
        + r"tests?\b",
        "lint": r"\bruff\b(?![ -]format)|\bflake8\b|\bpylint\b" + _RUNNER + r"lint\b",
        "format": r"(?<![\w-])black\b|\bruff[ -]format\b|\byapf\b|\bautopep8\b",
        "types": r"\b(d?mypy|(based)?pyright|pyrefly|pytype)\b|(?<![\w/.-])ty check\b"
        + _RUNNER
        + r"(types?|typecheck|type-check|typing)\b",
        "migrations": r"\balembic\b.*\b(upgrade|check)\b|\baerich upgrade\b|manage\.py migrate\b",
        "migration check": r"\balembic\b.*\bcheck\b|makemigrations --check|\bpytest-alembic\b",
        "coverage": r"--cov\b|\bcoverage (run|report|xml)\b",
        "audit": r"\bpip[-_]audit\b|\bsafety (check|scan)\b|\bbandit\b|\btrivy\b|\bsnyk\b|\bosv-scanner\b|\bgrype\b"
        r"|dependency-review-action|codeql-action|\bsemgrep\b|\buv audit\b",
        "contract": r"\bschemathesis\b|\boasdiff\b|\bopenapi-diff\b|\bdredd\b",
        "image": r"\bdocker (buildx )?build\b|build-push-action|\bdocker compose build\b",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a workflow, or an action it uses."""

    place: Place
    text: str


@dataclass(slots=True)
class Workflow:
    """One file; `runs` gives for each kind of KINDS the first step that does it, directly or through a script or task.

    `unfollowed` are the steps whose commands are not known: tasks, actions and workflows that stand elsewhere.
    """

    path: str
    system: str
    steps: list[Step] = field(default_factory=list)
    runs: dict[str, Step] = field(default_factory=dict)
    pythons: list[tuple[Version, Place]] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    unfollowed: list[Step] = field(default_factory=list)


def workflows(files: ConfigFiles, hooks: list[Hook]) -> list[Workflow]:
    found = []
    for path in files.files:
        system = next((name for name, pattern in _SYSTEMS if pattern.search(path)), "")
        if system:
            found.append(_jenkins(files, path) if system == "Jenkins" else _of_yaml(files, path, system))
    by_path = {made.path: made for made in found}
    called = {made.path: list(_called_steps(made, by_path, files)) for made in found}
    for made in found:
        made.steps += called[made.path]
        scripts = _Scripts(files, hooks)
        for step in made.steps:
            if _is_open(files, step):
                made.unfollowed.append(step)
            for text in scripts.reached(step.text):
                for kind, pattern in KINDS.items():
                    if pattern.search(text):
                        made.runs.setdefault(kind, step)
    return found


def _is_open(files: ConfigFiles, step: Step) -> bool:
    """Whether nobody can say from this repository what a step runs."""
    if _LOCAL.match(step.text):
        return not _REUSABLE.match(step.text) and _local_action(step.text, files) is None
    commands = [words for words in simple_commands(step.text) if is_run(words)]
    return is_foreign(step.text) or any(is_unfollowed(files, words) for words in commands)


def _local_action(uses: str, files: ConfigFiles) -> str | None:
    """The file of an action of the same repository that a step uses."""
    folder = uses.strip().removeprefix("./").rstrip("/")
    names = (f"{folder}/action.yml", f"{folder}/action.yaml", f"{folder}/Dockerfile")
    return next((name for name in names if name in files.files), None) if _LOCAL.match(uses) else None


def _action_steps(step: Step, files: ConfigFiles, depth: int = 0) -> Iterator[Step]:
    """What a composite action of the repository runs, at the place where a workflow uses it."""
    path = _local_action(step.text, files)
    for keys, value, _ in files.yaml(path) if path is not None and depth < _MAX_DEPTH else ():
        if keys[-1:] == ("run",):
            yield from (Step(step.place, command) for _, command in logical_lines(value))
        elif keys[-1:] == ("uses",):
            yield Step(step.place, value)
            yield from _action_steps(Step(step.place, value), files, depth + 1)


def _called_steps(caller: Workflow, by_path: dict[str, Workflow], files: ConfigFiles) -> Iterator[Step]:
    """What reusable workflows of the repository run for a workflow: those of their steps that its inputs fill in."""
    jobs: dict[tuple[object, ...], dict[str, str]] = {}
    uses: list[tuple[tuple[object, ...], Step]] = []
    for keys, value, line in files.yaml(caller.path):
        if keys[-1:] == ("uses",):
            uses.append((keys[:-1], Step(Place(caller.path, line, line), value)))
        elif keys[-2:-1] == ("with",):
            jobs.setdefault(keys[:-2], {})[str(keys[-1])] = value
    for job, step in uses:
        reusable = _REUSABLE.match(step.text)
        callee = by_path.get(reusable[1]) if reusable else None
        yield from _action_steps(step, files)
        given = jobs.get(job, {})
        for inner in callee.steps if callee is not None else ():
            text = _filled_in(inner.text, given)
            if text != inner.text:
                yield Step(step.place, text)


def _jenkins(files: ConfigFiles, path: str) -> Workflow:
    made = Workflow(path, "Jenkins")
    text = files.text(path)
    for match in _JENKINS.finditer(text):
        first = text.count("\n", 0, match.start(2)) + 1
        for line, command in logical_lines(match[2]):
            made.steps.append(Step(Place(path, first + line - 1, first + line - 1), command))
    return made


def _of_yaml(files: ConfigFiles, path: str, system: str) -> Workflow:
    made = Workflow(path, system)
    for keys, value, line in files.yaml(path):
        names = [key for key in keys if isinstance(key, str)]
        last = names[-1] if names else ""
        place = Place(path, line, line)
        if last in _RUN_KEYS:
            for offset, command in logical_lines(value):
                at = line + offset - 1
                made.steps.append(Step(Place(path, at, at), command))
        elif last == "uses":
            made.steps.append(Step(place, value))
        elif last == "image" or names[-2:] == ["image", "name"]:
            made.images.append(image_of(place, value, ""))
        if last in _PYTHON_KEYS or "python" in last.lower() or last == "image":
            version = _PYTHON.search(value)
            parsed = Version.parse(version[1]) if version else None
            if parsed:
                made.pythons.append((parsed, place))
    return made


def _filled_in(text: str, given: dict[str, str]) -> str:
    return _INPUT.sub(lambda found: given.get(found[1], ""), text)


class _Scripts:
    """Texts that a command reaches: itself, scripts and Makefile targets it names, tox, nox, pre-commit hooks."""

    def __init__(self, files: ConfigFiles, hooks: list[Hook]) -> None:
        self.files = files
        self.hooks = hooks
        self.seen: set[str] = set()

    def reached(self, command: str) -> Iterator[str]:
        """Each script once in a workflow, however many commands name it."""
        waiting = [(command, 0)]
        while waiting:
            text, depth = waiting.pop()
            for words in simple_commands(text):
                if not is_run(words):
                    continue
                one = " ".join(words)
                yield one
                if depth < _MAX_DEPTH:
                    waiting.extend((inner, depth + 1) for inner in self._named(words, one))

    def _named(self, words: list[str], command: str) -> Iterator[str]:
        for name in _SCRIPT.findall(command):
            yield from self._text(name.removeprefix("./"), f"/{name.removeprefix('./')}")
        base = {word.rsplit("/", 1)[-1] for word in words}
        if "make" in base:
            for target in words[words.index("make") + 1 :] if "make" in words else ():
                yield from self._target(target)
        yield from tasks(self.files, words)
        for tool, name in (("tox", "tox.ini"), ("nox", "noxfile.py")):
            if tool in base:
                yield from self._text(name, f"/{name}")
        if ("run" in words and base & {"pre-commit", "prek"}) or _HOOK_ACTION.search(command):
            yield from (hook.runs for hook in self.hooks)

    def _text(self, path: str, ending: str) -> Iterator[str]:
        """All files of that name: which one is meant depends on where the command runs."""
        for known in self.files.files:
            if (known == path or known.endswith(ending)) and known not in self.seen:
                self.seen.add(known)
                yield "\n".join(line for _, line in logical_lines(self.files.text(known)))

    def _target(self, target: str) -> Iterator[str]:
        if f"make {target}" in self.seen or not re.fullmatch(r"[\w./-]+", target):
            return
        self.seen.add(f"make {target}")
        for path in self.files.named("Makefile", "makefile", "GNUmakefile"):
            match = re.search(
                rf"^{re.escape(target)}\s*:([^\n]*)\n((?:[\t ]+[^\n]*\n|\n)*)",
                self.files.text(path) + "\n",
                re.MULTILINE,
            )
            if match:
                yield "\n".join(line.lstrip("\t @-") for line in match[2].split("\n"))
                for needed in match[1].split("#")[0].split():
                    yield f"make {needed}"
                return
        # `$(targets): ; hack/$@.sh`: a Makefile whose targets are the scripts of a folder.
        yield from self._text(f"{target}.sh", f"/{target}.sh")
