"""How the application is started and what runs beside it: Dockerfiles, compose files, Procfiles, start scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from project.place import Place
from project.stack.commands import Server, servers, simple_commands
from project.stack.config_files import ConfigFiles, logical_lines
from project.stack.versions import Version

_DOCKERFILE = re.compile(r"(^|/)((Dockerfile|Containerfile)([._-][\w.-]+)?|[\w.-]+\.[Dd]ockerfile)$")
_COMPOSE = re.compile(r"(^|/)[\w.-]*compose[\w.-]*\.ya?ml$")
_START_FILE = re.compile(r"(^|/)(Procfile[\w.-]*|[\w.-]+\.sh|supervisord?[\w.-]*\.conf|Makefile|[Jj]ustfile)$")
_KUBERNETES_FILE = re.compile(r"(^|/)(k8s|kubernetes|kube|helm|charts?|manifests?|deploy\w*)/.*\.ya?ml$")
_KUBERNETES = re.compile(r"^kind:\s*(Deployment|StatefulSet|DaemonSet|Rollout)\b", re.MULTILINE)
_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s+(.*)$", re.DOTALL)
_HEREDOC = re.compile(r"<<-?[\"']?(\w+)")
_FROM = re.compile(r"(?:--\S+\s+)*(\S+)(?:\s+[Aa][Ss]\s+(\S+))?")
_VARIABLE = re.compile(r"\$\{?(\w+)(?::?-([^}]*))?\}?")
_ASSIGNMENT = re.compile(r"""(\w+)=("[^"]*"|'[^']*'|\S*)""")
_PYTHON_IMAGE = re.compile(r"python[:-]?(\d+\.\d+(?:\.\d+)?)")
_STARTED = re.compile(r"\b(uvicorn|gunicorn|hypercorn|granian|daphne|fastapi|alembic)\b")
_TARGET = re.compile(r"(?:\btarget:|--target[ =])\s*[\"']?([\w.-]+)")
_BUILDS = re.compile(
    r"(^|/)\.github/workflows/[^/]*\.ya?ml$|(^|/)\.gitlab-ci\.ya?ml$|(^|/)[\w.-]*compose[\w.-]*\.ya?ml$"
)
_DEVELOPMENT = re.compile(r"dev|debug|(^|[_.-])(local|tests?|ci|lint|override)([_.-]|$)", re.IGNORECASE)
_PROCESS = re.compile(r"^(?:command\s*=|[\w-]+:\s)\s*")

_ROLES = (
    ("PostgreSQL", re.compile(r"postgres|postgis|timescale|pgvector")),
    ("MariaDB", re.compile(r"mariadb")),
    ("MySQL", re.compile(r"mysql|percona")),
    ("MongoDB", re.compile(r"mongo")),
    ("Redis", re.compile(r"redis|valkey|keydb|dragonfly")),
    ("RabbitMQ", re.compile(r"rabbitmq")),
    ("Kafka", re.compile(r"kafka|redpanda")),
    ("Elasticsearch", re.compile(r"elasticsearch")),
    ("OpenSearch", re.compile(r"opensearch")),
    ("ClickHouse", re.compile(r"clickhouse")),
    ("CockroachDB", re.compile(r"cockroach")),
    ("Microsoft SQL Server", re.compile(r"mssql")),
    ("Memcached", re.compile(r"memcached")),
)
_BESIDE = re.compile(r"exporter|express|commander|insight|admin|backup|console|dashboard|-ui\b|_ui\b")


@dataclass(frozen=True, slots=True)
class Image:
    """The base of a Dockerfile's stage (`service` is the stage), or what a service runs."""

    place: Place
    name: str
    tag: str = ""
    service: str = ""

    @property
    def role(self) -> str:
        """The store or broker it is (`PostgreSQL`, `Redis`, ...); "" for any other image."""
        name = "/".join(self.name.lower().split("/")[-2:])
        if _BESIDE.search(name):
            return ""
        return next((role for role, pattern in _ROLES if pattern.search(name)), "")

    @property
    def python(self) -> Version | None:
        """The Python that the image brings, by its name."""
        match = _PYTHON_IMAGE.search(f"{self.name}:{self.tag}")
        return Version.parse(match[1]) if match else None


@dataclass(slots=True)
class Dockerfile:
    """`user` and `health_check` are those of the last stage; without a USER it runs as the image's own, mostly root."""

    path: str
    bases: list[Image] = field(default_factory=list)
    commands: list[tuple[Place, str]] = field(default_factory=list)
    user: tuple[Place, str] | None = None
    health_check: Place | None = None

    def commands_of(self, targets: frozenset[str]) -> frozenset[int]:
        """Lines of the commands that images run: those of the last stage and of stages that are built by name.

        A stage without a command has that of the stage it starts from. A last stage for development is none when
        another one is built by name.
        """
        stages = {image.service: image for image in self.bases if image.service}
        named = [stages[name] for name in sorted(targets & set(stages)) if not _DEVELOPMENT.search(name)]
        last = [] if named and _DEVELOPMENT.search(self.bases[-1].service) else self.bases[-1:]
        return frozenset(line for image in (*named, *last) for line in self._commands_from(image, stages))

    def _commands_from(self, image: Image, stages: dict[str, Image]) -> list[int]:
        for _ in self.bases:
            below = [other.place.line for other in self.bases if other.place.line > image.place.line]
            end = min(below, default=10**9)
            found = [place.line for place, _ in self.commands if image.place.line < place.line < end]
            if found or image.name not in stages or stages[image.name].place.line >= image.place.line:
                return found
            image = stages[image.name]
        return []


@dataclass(slots=True)
class Compose:
    """A compose file: its services' images, commands and environment."""

    path: str
    services: list[str] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    commands: list[tuple[Place, str]] = field(default_factory=list)


@dataclass(slots=True)
class Containers:
    """All of it; `environment` holds variables that Dockerfiles and compose files set, by name.

    `targets` are the stages that compose files and pipelines build by name, those for development left out.
    """

    dockerfiles: list[Dockerfile] = field(default_factory=list)
    composes: list[Compose] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)
    environment: dict[str, list[tuple[Place, str]]] = field(default_factory=dict)
    kubernetes: list[Place] = field(default_factory=list)
    migrations_at_start: list[Place] = field(default_factory=list)
    targets: frozenset[str] = frozenset()

    def is_run(self, server: Server) -> bool:
        """Whether an image that is built for use runs this command of a Dockerfile."""
        made = next((d for d in self.dockerfiles if d.path == server.place.path), None)
        return made is None or server.place.line in made.commands_of(self.targets)

    def variable(self, name: str) -> tuple[Place, str] | None:
        """Where an environment variable is set first, and to what."""
        found = self.environment.get(name)
        return found[0] if found else None


def containers(files: ConfigFiles) -> Containers:
    made = Containers()
    for path in files.matching(_DOCKERFILE):
        dockerfile = _dockerfile(path, files.text(path), made.environment)
        made.dockerfiles.append(dockerfile)
        _add_commands(made, dockerfile.commands)
    for path in files.matching(_COMPOSE):
        compose = None if "/workflows/" in path or files.is_part(path) else _compose(path, files, made.environment)
        if compose:
            made.composes.append(compose)
            _add_commands(made, compose.commands)
    for path in files.matching(_START_FILE):
        _add_commands(made, list(_start_lines(path, files.text(path))))
    for path in files.matching(_KUBERNETES_FILE):
        match = _KUBERNETES.search(files.text(path))
        if match:
            line = files.text(path).count("\n", 0, match.start()) + 1
            made.kubernetes.append(Place(path, line, line))
    built = (p for p in files.matching(_BUILDS) if not _DEVELOPMENT.search(p.rsplit("/", 1)[-1]))
    made.targets = frozenset(name for path in built for name in _TARGET.findall(files.text(path)))
    return made


def _add_commands(made: Containers, commands: list[tuple[Place, str]]) -> None:
    for place, text in commands:
        made.servers.extend(servers(text, place))
        if any(
            words[-2:] and {"alembic", "upgrade"} <= {w.rsplit("/", 1)[-1] for w in words}
            for words in simple_commands(text)
        ):
            made.migrations_at_start.append(place)


def _dockerfile(path: str, text: str, environment: dict[str, list[tuple[Place, str]]]) -> Dockerfile:
    made = Dockerfile(path)
    arguments: dict[str, str] = {}
    stages: dict[str, tuple[tuple[Place, str] | None, Place | None]] = {}
    for line, name, rest in _instructions(text):
        place = Place(path, line, line)
        if name == "ARG":
            arguments.update((key, value.strip("\"'")) for key, value in _ASSIGNMENT.findall(rest))
        elif name == "FROM":
            match = _FROM.match(_VARIABLE.sub(lambda m: arguments.get(m[1]) or m[2] or "", rest))
            if match:
                if made.bases:
                    stages[made.bases[-1].service] = made.user, made.health_check
                made.user, made.health_check = stages.get(match[1], (None, None))
                made.bases.append(image_of(place, match[1], match[2] or ""))
        elif name in ("CMD", "ENTRYPOINT"):
            made.commands.append((place, _command_text(rest)))
        elif name == "USER":
            made.user = (place, rest.strip())
        elif name == "HEALTHCHECK" and not rest.upper().startswith("NONE"):
            made.health_check = place
        elif name == "ENV":
            for key, value in _ASSIGNMENT.findall(rest):
                environment.setdefault(key, []).append((place, value.strip("\"'")))
    return made


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, name in upper case, rest) of each instruction; the text of a here-document is left out."""
    terminator = ""
    for line, content in logical_lines(text):
        if terminator:
            terminator = "" if content == terminator else terminator
            continue
        match = _INSTRUCTION.match(content)
        if match:
            heredoc = _HEREDOC.search(match[2])
            terminator = heredoc[1] if heredoc and match[1].upper() in ("RUN", "COPY", "ADD") else ""
            yield line, match[1].upper(), match[2]


def image_of(place: Place, text: str, service: str) -> Image:
    """From `registry/name:tag@digest`."""
    name, _, _digest = text.partition("@")
    head, colon, tag = name.rpartition(":")
    return Image(place, head, tag, service) if colon and "/" not in tag else Image(place, name, "", service)


def _command_text(rest: str) -> str:
    """A shell form as it is, an exec form as the shell would write it."""
    if rest.lstrip().startswith("["):
        try:
            words = json.loads(rest)
        except (ValueError, RecursionError):
            return rest.strip("[] ").replace('",', '"')
        if isinstance(words, list):
            return _joined(words)
    return rest


def _joined(words: list[object]) -> str:
    """Words as one shell text, quoted where they hold blanks."""
    return " ".join("'" + str(w).replace("'", " ") + "'" if re.search(r"[\s;&|()]", str(w)) else str(w) for w in words)


def _compose(path: str, files: ConfigFiles, environment: dict[str, list[tuple[Place, str]]]) -> Compose | None:
    made = Compose(path)
    lists: dict[tuple[str, str], tuple[Place, list[object]]] = {}
    for keys, value, line in files.yaml(path):
        if len(keys) < 3 or keys[0] != "services":
            continue
        service, key, place = str(keys[1]), str(keys[2]), Place(path, line, line)
        if service not in made.services:
            made.services.append(service)
        if key == "image":
            made.images.append(image_of(place, _VARIABLE.sub(lambda m: m[2] or "", value), service))
        elif key in ("command", "entrypoint") and len(keys) == 3:
            made.commands.append((place, _command_text(value)))
        elif key in ("command", "entrypoint"):
            lists.setdefault((service, key), (place, []))[1].append(value)
        elif key == "environment" and len(keys) == 4:
            name, text = (str(keys[3]), value) if isinstance(keys[3], str) else value.partition("=")[::2]
            environment.setdefault(name, []).append((place, text))
    made.commands += [(place, _joined(words)) for place, words in lists.values()]
    return made if made.services else None


def _start_lines(path: str, text: str) -> Iterator[tuple[Place, str]]:
    """Lines that name a server or Alembic, without what a Procfile or Makefile puts before."""
    for line, content in logical_lines(text):
        if _STARTED.search(content):
            yield Place(path, line, line), _PROCESS.sub("", content, count=1).lstrip("\t@-")
