"""Checks and signals: how a check is declared, what it yields, and how a selection of checks is run on a project."""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from examples import Documentation, parse_documentation
from hits import BY_NAME as BY_NAME
from hits import INFERRED as INFERRED
from hits import RESOLVED as RESOLVED
from hits import Collected, as_rows, from_rows
from hits import Hit as Hit
from hits import NotAssessed as NotAssessed
from secrecy import without_secrets

if TYPE_CHECKING:
    from project import Project
    from project.place import Place

HIGH, MEDIUM, LOW = "high", "medium", "low"
IMPACTS = (HIGH, MEDIUM, LOW)
_DIMENSIONS = 6
CERTAINTIES = (RESOLVED, INFERRED, BY_NAME)

_IGNORE = re.compile(r"#\s*review:\s*ignore\[([^\]]*)\]", re.IGNORECASE)
_NOQA = re.compile(r"#\s*noqa:\s*([A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)", re.IGNORECASE)


Found = Iterator["Hit | NotAssessed"]
Function = Callable[["Project"], Found]


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of signal. `anti_pattern` is 1 to 8, or None; prose and examples come from the function's docstring."""

    id: str
    name: str
    title: str
    impact: str
    fix: str
    dimension: Dimension
    function: Function
    anti_pattern: int | None = None

    @property
    def documentation(self) -> Documentation:
        return _documentation(self.function)

    @property
    def why(self) -> str:
        return self.documentation.why

    @property
    def source(self) -> str:
        return self.documentation.source

    @property
    def doc(self) -> str:
        return f"{self.dimension.document}#{self.id.lower()}"


@functools.cache
def _documentation(function: Function) -> Documentation:
    return parse_documentation(function.__doc__)


@dataclass(frozen=True, slots=True, eq=False)
class Dimension:
    """One of the six parts of a review: its checks are registered with the decorator `check`."""

    prefix: str
    module: str
    title: str
    document: str
    checks: list[Check] = field(default_factory=list)

    def check(
        self, id: str, name: str, *, title: str, impact: str, fix: str, anti_pattern: int | None = None
    ) -> Callable[[Function], Function]:
        """Register the decorated function as the check `id`."""
        if not id.startswith(self.prefix) or impact not in IMPACTS or any(id == known.id for known in self.checks):
            raise ValueError(f"{id}: prefix, impact or uniqueness of the id is wrong for {self.module}")

        def register(function: Function) -> Function:
            self.checks.append(Check(id, name, title, impact, fix, self, function, anti_pattern))
            return function

        return register


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal, field by field as in the JSON output. `id` survives edits that only move the line."""

    id: str
    check: str
    name: str
    dimension: str
    impact: str
    certainty: str
    path: str
    line: int
    end_line: int
    symbol: str
    message: str
    source: str
    trace: tuple[Place, ...]
    fix: str
    doc: str
    anti_pattern: int | None
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which checks to run and which of their signals to keep. `impact` keeps that impact and above."""

    checks: tuple[Check, ...]
    path: str | None = None
    impact: str = LOW

    @property
    def is_whole(self) -> bool:
        """Whether these are all checks of all dimensions."""
        dimensions = {check.dimension for check in self.checks}
        return len(dimensions) == _DIMENSIONS and sum(len(d.checks) for d in dimensions) == len(self.checks)

    def keeps(self, signal: Signal) -> bool:
        if IMPACTS.index(signal.impact) > IMPACTS.index(self.impact):
            return False
        paths = (signal.path, *(place.path for place in signal.places))
        return self.path is None or any(path_matches(path, self.path) for path in paths)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Signals in their fixed order (impact, check, place), what could not be judged, how many a comment suppressed."""

    signals: list[Signal]
    not_assessed: list[NotAssessed]
    suppressed: int


def run(project: Project, selection: Selection) -> Outcome:
    """Run the selected checks. A check that raises is listed in `not_assessed`; the others are not lost."""
    signals: list[Signal] = []
    not_assessed: list[NotAssessed] = []
    suppressed = 0
    collected = _collected(selection, project)
    secrets = _secrets(hit for _, hits, _ in collected for hit in hits)
    for check, hits, notes in collected:
        not_assessed += notes
        for hit, signal in zip(hits, _signals(check, hits, project, secrets), strict=True):
            if is_suppressed(check, project.text_of(hit.place.path), hit.place.line):
                suppressed += selection.keeps(signal)
            elif selection.keeps(signal):
                signals.append(signal)
    signals.sort(key=lambda s: (IMPACTS.index(s.impact), s.check, s.path, s.line, s.message, s.id))
    return Outcome(signals, not_assessed, suppressed)


def path_matches(path: str, pattern: str) -> bool:
    """Whether a posix path fits a glob (`*` crosses folders) or lies in the folder the pattern names."""
    folder = pattern.rstrip("/")
    return fnmatchcase(path, pattern) or fnmatchcase("/" + path, pattern) or path.startswith(folder + "/")


def is_suppressed(check: Check, lines: list[str], line: int) -> bool:
    """Whether `# review: ignore[ID or name]` or `# noqa: ID` stands on the line or in the comments right above it."""
    if not 1 <= line <= len(lines):
        return False
    texts = [lines[line - 1]]
    above = line - 2
    while above >= 0 and lines[above].lstrip().startswith("#"):
        texts.append(lines[above])
        above -= 1
    wanted = {check.id.lower(), check.name.lower()}
    return any(wanted & _ignored(text) for text in texts if "#" in text)


def _ignored(text: str) -> set[str]:
    found = [*_IGNORE.findall(text), *_NOQA.findall(text)]
    return {word.lower() for group in found for word in re.split(r"[,\s]+", group) if word}


def clean(text: str, limit: int) -> str:
    """One line without control, formatting or surrogate characters, cut to `limit` characters."""
    plain = text
    if not text.isprintable():
        kept = (c for c in text if c in "\t\r\n" or unicodedata.category(c)[0] != "C")
        plain = "".join(" " if c in "\t\r\n" else c for c in kept)
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def _collected(selection: Selection, project: Project) -> list[tuple[Check, list[Hit], list[NotAssessed]]]:
    """What each check yields, from the snapshot if there is one; a run of all checks is kept in it."""

    def decoded(rows: dict[str, list[Any]]) -> dict[str, Collected]:
        return {name: from_rows(part, project.text_of) for name, part in rows.items()}

    known = project.recalled("hits", decoded) or {}
    missing = [check for check in selection.checks if check.id not in known]
    known |= {check.id: _collect(check, project) for check in missing}
    if missing and selection.is_whole:
        whole = {name: part for name, part in known.items() if not any(note.failed for note in part[1])}
        project.keep("hits", {name: as_rows(part, project.text_of) for name, part in whole.items()})
    return [(check, *known[check.id]) for check in selection.checks]


def _collect(check: Check, project: Project) -> Collected:
    """What one check yields, hits in order of place and each only once."""
    hits: dict[tuple[str, int, str], Hit] = {}
    notes: list[NotAssessed] = []
    try:
        for found in check.function(project):
            if isinstance(found, NotAssessed):
                notes.append(NotAssessed(clean(found.why, 300), check.id))
            else:
                hits.setdefault((found.place.path, found.place.line, found.message), found)
    except Exception as error:  # one broken check must not cost the review
        why = f"the check failed ({type(error).__name__}), its signals are missing or incomplete"
        notes.append(NotAssessed(why, check.id, failed=True))
    return [hits[key] for key in sorted(hits)], notes


def _secrets(hits: Iterable[Hit]) -> dict[tuple[str, int], tuple[str, ...]]:
    """What must not be printed, by path and line, whichever check said so."""
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for hit in hits:
        for line in range(hit.place.line, hit.place.end_line + 1) if hit.secrets else ():
            found[hit.place.path, line] = (*found.get((hit.place.path, line), ()), *hit.secrets)
    return found


def _signals(
    check: Check, hits: Iterable[Hit], project: Project, secrets: Mapping[tuple[str, int], tuple[str, ...]]
) -> Iterator[Signal]:
    seen: Counter[tuple[str, str, str]] = Counter()
    for hit in hits:
        place = hit.place
        source = _source_line(project, place)
        key = (place.path, place.symbol, " ".join(_IGNORE.split(_NOQA.split(source)[0])[0].split()))
        seen[key] += 1
        yield Signal(
            id=_fingerprint(check.id, *key, str(seen[key])),
            check=check.id,
            name=check.name,
            dimension=check.dimension.module,
            impact=hit.impact or check.impact,
            certainty=hit.certainty,
            path=clean(place.path, 400),
            line=place.line,
            end_line=place.end_line,
            symbol=clean(place.symbol, 200),
            message=_printable(hit.message, 400),
            source=_printable_source(source, place, secrets),
            trace=tuple(map(_clean_place, hit.trace)),
            fix=check.fix,
            doc=check.doc,
            anti_pattern=check.anti_pattern,
            places=tuple(map(_clean_place, hit.places)),
        )


def _clean_place(place: Place) -> Place:
    label = _printable(place.label, 200)
    return replace(place, path=clean(place.path, 400), symbol=clean(place.symbol, 200), label=label)


def _printable_source(source: str, place: Place, secrets: Mapping[tuple[str, int], tuple[str, ...]]) -> str:
    known = secrets.get((place.path, place.line), ())
    return clean(without_secrets(source[:1000], known, place.path.endswith(".py")), 200)


def _printable(text: str, limit: int) -> str:
    return clean(without_secrets(text[:1000]), limit)


def _source_line(project: Project, place: Place) -> str:
    lines = project.text_of(place.path)
    return lines[place.line - 1] if 1 <= place.line <= len(lines) else ""


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
