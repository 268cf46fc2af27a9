"""Checks and signals: how a check is declared, what it yields, and how a selection of checks is run on a project."""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from examples import Documentation, parse_documentation
from hits import BY_NAME as BY_NAME
from hits import INFERRED as INFERRED
from hits import RESOLVED as RESOLVED
from hits import Collected, as_rows, from_rows
from hits import Hit as Hit
from hits import NotAssessed as NotAssessed
from project.place import path_matches
from secrecy import without_secrets
from suppression import reason_for, without_comments

if TYPE_CHECKING:
    from project import Project
    from project.place import Place

HIGH, MEDIUM, LOW = "high", "medium", "low"
IMPACTS = (HIGH, MEDIUM, LOW)


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

    def keeps(self, signal: Signal) -> bool:
        if IMPACTS.index(signal.impact) > IMPACTS.index(self.impact):
            return False
        paths = (signal.path, *(place.path for place in signal.places))
        return self.path is None or any(path_matches(path, self.path) for path in paths)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A signal that is not reported: by a comment, for its reason, or by the glob that its owners exclude."""

    signal: Signal
    reason: str
    by_comment: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """Signals in their fixed order (impact, check, place), what could not be judged, what is not reported.

    `notes` are sentences that every output must say: what the project's configuration changes, what is wrong with it.
    """

    signals: list[Signal]
    not_assessed: list[NotAssessed]
    hidden: Sequence[Hidden] = ()
    notes: Sequence[str] = ()

    @property
    def suppressed(self) -> int:
        """How many signals a comment silences."""
        return sum(hidden.by_comment for hidden in self.hidden)


def run(project: Project, selection: Selection, every: Sequence[Check] = ()) -> Outcome:
    """Run the selected checks. A check that raises is listed in `not_assessed`; the others are not lost.

    `every`: all checks, when they are to run in their order and be kept in the snapshot, whatever is selected. Facts
    are worked out once, so what the first check asks for shapes what a later one sees.
    """
    signals: list[Signal] = []
    not_assessed: list[NotAssessed] = []
    hidden: list[Hidden] = []
    collected = _collected(every or selection.checks, project, bool(every))
    secrets = _secrets(hit for _, hits, _ in collected for hit in hits)
    for check, hits, notes in collected:
        if check not in selection.checks:
            continue
        not_assessed += notes
        for hit, signal in zip(hits, _signals(check, hits, project, secrets), strict=True):
            if not selection.keeps(signal):
                continue
            reason = reason_for((check.id, check.name), project.text_of(hit.place.path), hit.place.line)
            if reason:
                hidden.append(Hidden(signal, reason))
            elif project.settings.excludes(hit.place.path):
                hidden.append(Hidden(signal, f"excluded by {project.settings.file}", by_comment=False))
            else:
                signals.append(signal)
    signals.sort(key=_order)
    hidden.sort(key=lambda h: _order(h.signal))
    return Outcome(signals, not_assessed, hidden)


def _order(signal: Signal) -> tuple[int, str, str, int, str, str]:
    return IMPACTS.index(signal.impact), signal.check, signal.path, signal.line, signal.message, signal.id


# Unassigned ones (Cn) stay: which those are depends on the Python that runs this.
_UNSEEN = frozenset(("Cc", "Cf", "Co", "Cs"))


def clean(text: str, limit: int) -> str:
    """One line without control, formatting or surrogate characters, cut to `limit` characters."""
    plain = text
    if not text.isprintable():
        kept = (c for c in text if c in "\t\r\n" or unicodedata.category(c) not in _UNSEEN)
        plain = "".join(" " if c in "\t\r\n" else c for c in kept)
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def _collected(
    wanted: Sequence[Check], project: Project, keep: bool
) -> list[tuple[Check, list[Hit], list[NotAssessed]]]:
    """What each check yields, from the snapshot if there is one, and kept in it if so wished."""

    def decoded(rows: dict[str, list[Any]]) -> dict[str, Collected]:
        return {name: from_rows(part, project.text_of) for name, part in rows.items()}

    known = project.recalled("hits", decoded) or {}
    checks = [check for check in wanted if check.id not in project.settings.disable]
    missing = [check for check in checks if check.id not in known]
    known |= {check.id: _collect(check, project) for check in missing}
    if missing and keep:
        whole = {name: part for name, part in known.items() if not any(note.failed for note in part[1])}
        project.keep("hits", {name: as_rows(part, project.text_of) for name, part in whole.items()})
    return [(check, *known[check.id]) for check in checks]


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
        key = (place.path, place.symbol, " ".join(without_comments(source).split()))
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


@functools.lru_cache(maxsize=10_000)  # ways of many signals begin at the same places
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
