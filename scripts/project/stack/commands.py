"""Shell commands as far as they matter: single commands of a line, and the ASGI servers they start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from project.place import Place

SERVERS = frozenset(("uvicorn", "gunicorn", "hypercorn", "granian", "daphne", "fastapi"))

_WORD = re.compile(r"""(?:[^\s"'\\;&|()]|"(?:[^"\\]|\\.)*"|'[^']*'|\\.)+|&&|\|\||[;&|()\\]|["']""", re.DOTALL)
_SEPARATORS = frozenset(("&&", "||", ";", "&", "|", "(", ")"))
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'([^']*)'""")
_COMMENT = re.compile(r"(^|\s)#.*$", re.MULTILINE)
_SHELL_DEFAULT = re.compile(r"\$\{\w+:?-([^}]*)\}")
_NOT_RUN = frozenset(
    (
        "install",
        "uninstall",
        "add",
        "remove",
        "show",
        "which",
        "command",
        "grep",
        "pkill",
        "echo",
        "apt",
        "apt-get",
        "apk",
    )
)
_SHORT = {"-w": "workers", "-k": "worker-class", "-b": "bind", "-c": "config", "-t": "timeout"}
_FLAGS = frozenset(
    "reload proxy-headers no-proxy-headers factory preload no-access-log no-server-header no-date-header use-colors "
    "no-use-colors daemon debug access-log".split()
)
MAX_LENGTH = 5_000


@dataclass(frozen=True, slots=True)
class Server:
    """An ASGI server as some file starts it. `options` by long name without dashes; a flag has the value ""."""

    program: str
    place: Place
    command: str
    app: str = ""
    options: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def kind(self) -> str:
        """dockerfile, compose, procfile, makefile, script or other: what starts it."""
        name = self.place.path.rsplit("/", 1)[-1].lower()
        kinds = ("dockerfile", "containerfile", "compose", "procfile", "makefile", "justfile")
        found = next((kind for kind in kinds if kind in name), "script" if name.endswith(".sh") else "other")
        return {"containerfile": "dockerfile", "justfile": "makefile"}.get(found, found)

    @property
    def workers(self) -> int | None:
        """None when not given, or given by an environment variable without a default."""
        value = _SHELL_DEFAULT.sub(r"\1", self.options.get("workers", ""))
        return int(value) if value.isdecimal() and len(value) < 6 else None

    @property
    def reloads(self) -> bool:
        """Watches the source files: meant for development."""
        return "reload" in self.options or (self.program == "fastapi" and self.app == "dev")

    @property
    def forwarded_allow_ips(self) -> str | None:
        """Addresses whose X-Forwarded headers are believed; "*" is anyone."""
        return self.options.get("forwarded-allow-ips")


def simple_commands(text: str) -> Iterator[list[str]]:
    """Each command of a shell text as its words, without quotes; those inside `sh -c "..."` too."""
    waiting = [_COMMENT.sub("", text[:MAX_LENGTH])]
    while waiting:
        words: list[str] = []
        for word in (*_WORD.findall(waiting.pop().replace("\\\n", " ").replace("\n", ";")), ";"):
            if word not in _SEPARATORS:
                words.append(_QUOTED.sub(lambda m: m[1] if m[1] is not None else m[2], word))
                continue
            if words:
                yield words
            if "-c" in words[1:3] and _base(words[0]) in ("sh", "bash", "ash", "exec") and words[-1] != "-c":
                waiting.append(words[words.index("-c") + 1])
            words = []


def _base(word: str) -> str:
    return word.rsplit("/", 1)[-1]


def is_run(words: list[str]) -> bool:
    """Whether the command runs what it names, rather than installing or looking for it."""
    return not _NOT_RUN.intersection(words[:4])


def servers(text: str, place: Place) -> Iterator[Server]:
    """The servers that a shell text starts."""
    for words in simple_commands(text):
        for index, word in enumerate(words):
            if _base(word) in SERVERS:
                if not _NOT_RUN.intersection(words[:index]):
                    made = _server(words, index, place)
                    if made:
                        yield made
                break


def _server(words: list[str], index: int, place: Place) -> Server | None:
    options: dict[str, str] = {}
    positional: list[str] = []
    rest = words[index + 1 :]
    at = 0
    while at < len(rest):
        word = rest[at]
        at += 1
        if not word.startswith("-"):
            positional.append(word)
            continue
        name, equals, value = word.partition("=")
        if word[:2] in _SHORT and not word.startswith("--"):
            name, value = _SHORT[word[:2]], word[2:].lstrip("=")
            equals = value
        name = name.lstrip("-")
        if not equals and name not in _FLAGS and at < len(rest) and not rest[at].startswith("-"):
            value = rest[at]
            at += 1
        options[name] = value
    program = _base(words[index])
    app = positional[0] if positional else ""
    if program == "fastapi" and app not in ("run", "dev"):
        return None
    return Server(program, place, " ".join(words), app, options)
