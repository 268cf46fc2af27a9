"""The order of the work: after each step the application runs, and something shows that it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from check import Signal, clean
from project import Project
from project.language.layers import Crossing
from redesign.cuts import Cut, Misplaced, Tie, fat_places
from redesign.domains import Domain
from redesign.moves import HIGH, Move
from report.wording import count

ALWAYS = (
    "After each: `review.py routes --format json` gives the same methods, paths, guards, models and status codes as "
    "before, and the test suite passes."
)

_LEAVE = "at each old path leave a module that exports what others import from it"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what to do, why it comes now, what to verify before the next beyond what holds after each."""

    what: str
    why: str
    verify: str


@dataclass(frozen=True, slots=True)
class Causes:
    """What is mended where it stands, before anything moves."""

    cuts: Sequence[Cut]
    crossings: Sequence[Crossing]
    misplaced: Sequence[Misplaced]
    fat_routes: Sequence[Signal]
    back: Sequence[Tie] = ()

    @property
    def files(self) -> set[str]:
        """Files of routes that change."""
        return {*fat_places(self.fat_routes), *(found.module.path for found in self.misplaced)}


def steps(project: Project, causes: Causes, to_move: Sequence[Move]) -> list[Step]:
    """Tests and a picture of the routes first, then cycles, then fat routes, then moves: what has fewest ties first."""
    found = [*_mending(causes), *_domain_steps(to_move)]
    if causes.back:
        number = sum(len(tie.fewer) for tie in causes.back)
        what = f"Cut {count(number, 'import')} between {count(len(causes.back), 'pair')} of domains, as listed"
        why = "a domain that does not know those that use it can be read, tested and changed alone"
        found.append(Step(what, why, "`review.py redesign` lists none of these pairs"))
    if to_move:
        what = "Delete the modules left behind at the old paths"
        found.append(Step(what, "two ways to import one thing grow apart", "a search finds no import of an old path"))
    return [_safety(project, causes, to_move), *found] if found else []


def _mending(causes: Causes) -> Iterator[Step]:
    if causes.cuts:
        what = f"Cut {count(len(causes.cuts), 'import cycle')} at the imports listed, the smallest first"
        why = "modules of a cycle cannot be moved one by one"
        yield Step(what, why, "`review.py signals --check ORG006` is silent")
    if causes.crossings:
        what = (
            f"Turn {count(len(causes.crossings), 'import')} that run against the layers: the lower layer takes an "
            "argument, or raises an error of its own, instead of importing the upper one"
        )
        why = "a layer that knows those above it cannot be used or tested without them"
        yield Step(what, why, "`review.py overview` lists none")
    if causes.misplaced:
        number = sum(len(each.found) for each in causes.misplaced)
        what = f"Move {count(number, 'definition')} out of {count(len(causes.misplaced), 'file')} about something else"
        yield Step(what, "what needs them would load the routes or the whole application with them", "")
    if causes.fat_routes:
        fat = fat_places(causes.fat_routes)
        what = (
            f"Split {count(len(fat), 'fat path operation')} in {count(len(set(fat)), 'file')}: move the "
            "statements listed into functions of the same package, one route a commit"
        )
        why = "afterwards the routers only translate, and moving them is renaming"
        yield Step(what, why, "the new functions have tests without HTTP")


def _safety(project: Project, causes: Causes, to_move: Sequence[Move]) -> Step:
    files = causes.files | {move.module.path for move in to_move}
    touched = [r for r in project.routes if r.file in files]
    what = "Save the route map as it is (`review.py routes --format json`) and compare it after each step"
    missing = len(project.tests.unmentioned(touched)) if project.tests.modules else 0
    if missing:
        some = f"the {missing} of {len(touched)} routes touched below that no test mentions"
        every = f"{count(missing, 'route')} touched below, which no test mentions"
        what += f"; write tests first for {some if missing < len(touched) else every}"
    elif touched and not project.tests.modules and not project.is_installed:
        what += f"; no tests were found: write one for each kind of the {len(touched)} routes touched below"
    verify = "the new tests pass on the code as it is" if "write" in what else ""
    return Step(what, "a move must change no behaviour, and something has to notice if it does", verify)


def _domain_steps(to_move: Sequence[Move]) -> Iterator[Step]:
    """One step a domain, those with the fewest ties to others and the least risk first; domains of one file last."""
    domains: dict[int, tuple[Domain | None, list[Move]]] = {}
    for move in to_move:
        domains.setdefault(id(move.domain), (move.domain, []))[1].append(move)
    single = [pair for pair in domains.values() if pair[0] is not None and len(pair[0].modules) == 1]
    whole = [pair for pair in domains.values() if pair not in single]
    for domain, moved in sorted(whole, key=lambda pair: _effort(*pair)):
        importers = {module for move in moved for module in move.importers}
        tables = [table for move in moved for table in move.tables]
        name = domain.name if domain is not None else "by layer"
        ties = f"{count(domain.ties, 'import')} to or from other domains, " if domain is not None else ""
        verify = "`alembic check` finds no change (its environment imports the new module)" if tables else ""
        what = f"Move {name}: {count(len(moved), 'file')}, imported by {count(len(importers), 'module')}; {_LEAVE}"
        yield Step(
            what,
            f"{ties}{count(sum(m.risk == HIGH for m in moved), 'move')} of high risk",
            verify,
        )
    if single:
        names = ", ".join(sorted(clean(domain.name, 40) for domain, _ in single if domain is not None))
        what = f"Move the {count(len(single), 'domain')} of one file, or leave them where they are: {names}; {_LEAVE}"
        yield Step(what, "it brings nothing together, it only makes one convention of two", "")


def _effort(domain: Domain | None, moved: Sequence[Move]) -> tuple[int, int, int, str]:
    ties = domain.ties if domain is not None else 0
    return (sum(m.risk == HIGH for m in moved), ties, len(moved), domain.name if domain is not None else "")
