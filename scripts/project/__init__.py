"""The facts of one reviewed project: what its code says, no judgement. Each fact is worked out when first asked for.

`Project.routes` are the routes, `Project.guard_matrix.rows` who may call each: let in by what, standing where, and the
roles, permissions, scopes and ownership asked for (`row.rights`), each with its place.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from project.data.expired_reads import ExpiredReads
from project.data.filters import Filters
from project.data.growth import Growth
from project.data.lazy_reads import LazyRead, LazyReads
from project.data.loops import Loops
from project.data.migrations import Migrations
from project.data.models import Models
from project.data.queries import Queries
from project.data.rows import RowFacts
from project.data.sessions import Sessions
from project.files.source import Source, Tree, find_files, know_files, parse_files
from project.language.calls import Calls
from project.language.conditions import Conditions
from project.language.defaults import Defaults
from project.language.edges import Edges
from project.language.environment import Environment
from project.language.imports import Imports
from project.language.indirect import Indirect
from project.language.layers import Layers
from project.language.names import Names
from project.language.scopes import Class, Function, Module, Scope
from project.language.shapes import Shapes
from project.language.spelled import Spelled
from project.language.values import ValueFacts
from project.place import Place, Unread
from project.routing import listed
from project.routing.parameters import Parameters
from project.routing.pydantic_v1 import Leftover, Leftovers
from project.routing.route_builder import read_routes
from project.routing.routes import Route, RouteMap
from project.routing.schemas import Schemas
from project.routing.usage import Usage
from project.serving.answered import Answered
from project.serving.concurrency import Concurrency
from project.serving.effects import Effects
from project.serving.exceptions import Exceptions
from project.serving.guard_matrix import GuardMatrix
from project.serving.handler_work import Work
from project.serving.http_errors import HttpErrors
from project.serving.lifetimes import Lifetimes
from project.serving.loop_holds import LoopHolds
from project.serving.origins import Origins
from project.serving.reach import Reach
from project.serving.remote_answers import RemoteAnswers
from project.serving.repeated_reads import RepeatedReads
from project.serving.roots import Root, roots
from project.serving.running_loop import RunningLoop
from project.serving.shared_state import SharedState
from project.serving.waiting import Waiting
from project.settings import Settings
from project.snapshot import Snapshot
from project.stack.running import Running
from project.stack.stack import Stack
from project.stack.stack_summary import project_summary
from project.suite.tests_facts import TestFacts

__all__ = ["Class", "Function", "Module", "Place", "Project", "Scope", "Source", "Unread"]

Known = TypeVar("Known")


class Project:
    """A folder with Python files. Paths are posix and relative to it."""

    def __init__(self, tree: Tree, snapshot: Snapshot) -> None:
        self.tree = tree
        self.snapshot = snapshot
        self.root = tree.root
        self.name = tree.root.name
        self.settings = Settings()

    @classmethod
    def at(cls, path: str | Path, cache: Path | None = None) -> Project:
        """Read and parse every file below `path`. Garbage collection is off meanwhile: trees only grow.

        Where the folder `cache` has a snapshot of the same files, they are parsed only when a fact needs it.
        """
        enabled = gc.isenabled()
        gc.disable()
        try:
            tree = find_files(Path(path).resolve())
            project = cls(tree, Snapshot(cache, tree.state))
            if project.recalled("files", partial(know_files, tree)) is None:
                project.keep("files", parse_files(tree))
                _ = project.modules
        finally:
            gc.freeze()
            if enabled:
                gc.enable()
        return project

    def recalled(self, section: str, decode: Callable[[Any], Known]) -> Known | None:
        """Plain data that an earlier command kept for this state of the project; None when there is none."""
        rows = self.snapshot.read(section, self._settings_used)
        return None if rows is None else decode(rows)

    def known(self, section: str, find: Callable[[], Any]) -> Any:
        """Plain data from the snapshot, else what `find` gives, which is kept."""
        rows = self.recalled(section, list)
        if rows is None:
            rows = find()
            self.keep(section, rows)
        return rows

    def keep(self, section: str, rows: Any) -> None:
        """Keep plain data for the commands that follow, if nothing but the state of the project decided it."""
        if not self.tree.beyond:
            self.snapshot.write(section, rows, self._settings_used)

    @property
    def _settings_used(self) -> str:
        """Settings of this program that the facts depend on besides the files."""
        return repr(self.settings)

    @property
    def files(self) -> list[str]:
        """Every file that is not left out and may hold facts (Python, configuration), sorted."""
        return self.tree.files

    @property
    def sources(self) -> list[Source]:
        return list(self.tree.sources.values())

    @property
    def unread(self) -> list[Unread]:
        return self.tree.unread

    @cached_property
    def line_count(self) -> int:
        return sum(_line_count(source.text) for source in self.sources)

    @property
    def is_installed(self) -> bool:
        """Whether this is an installed package or an unpacked wheel: tests and settings of tools are left out of it."""
        manifest = self.stack.manifest
        return manifest is not None and manifest.path.endswith(("METADATA", "PKG-INFO"))

    @property
    def is_source_tree(self) -> bool:
        """Whether this is a project as developers have it, with a file that declares it."""
        return self.stack.manifest is not None and not self.is_installed

    @cached_property
    def is_repository(self) -> bool:
        """Whether the folder looks like a whole repository, so that what lies beside the code would be here."""
        signs = (".git", ".github", ".gitlab", "LICENSE", "LICENSE.md", "LICENSE.txt", "COPYING", "CONTRIBUTING.md")
        return any((self.root / name).exists() for name in signs)

    def text_of(self, path: str) -> list[str]:
        """Lines of any text file of the tree, [] when there is none."""
        if path in self.tree.sources:
            return self.tree.sources[path].lines
        text = self.tree.text(path)
        return [] if text is None else text.splitlines()

    @cached_property
    def modules(self) -> dict[str, Module]:
        """Every parsed file by path, indexed by one walk.

        A module beside a package of the same name is never imported, only run by its path: a script.
        """
        found = {source.path: Module(source) for source in self.sources}
        for path in found:
            hidden = found.get(path.removesuffix("/__init__.py") + ".py") if path.endswith("/__init__.py") else None
            if hidden is not None and hidden.kind == "app":
                hidden.kind = "script"
        return found

    def module(self, path: str) -> Module | None:
        return self.modules.get(path)

    @cached_property
    def app_modules(self) -> list[Module]:
        """Modules of the application: no tests, migrations, examples or scripts."""
        return [m for m in self.modules.values() if m.kind == "app"]

    @cached_property
    def stack(self) -> Stack:
        """Versions, tools, containers and databases, from the project's configuration files."""
        return Stack(self.root, self.files, self.tree.text)

    @cached_property
    def running(self) -> Running:
        """Versions and databases the project runs on."""
        return Running(self)

    @cached_property
    def names(self) -> Names:
        return Names(self.modules.values())

    @cached_property
    def roots(self) -> list[Root]:
        """Functions FastAPI calls by itself: handlers, dependencies, middleware, background tasks, start-up."""
        return roots(self)

    @cached_property
    def indirect(self) -> Indirect:
        """Code that runs because of a call without standing in what is called, or elsewhere than the call stands."""
        return Indirect(self.calls)

    @cached_property
    def running_loop(self) -> RunningLoop:
        """Places that are reached only where no event loop is running."""
        return RunningLoop(self.calls)

    @cached_property
    def edges(self) -> Edges:
        """Which functions run because of which calls, and whether on the same thread."""
        return Edges(self)

    @cached_property
    def waiting(self) -> Waiting:
        """Awaited calls that wait for other services."""
        return Waiting(self)

    @cached_property
    def lifetimes(self) -> Lifetimes:
        """Which objects outlive the request that makes them."""
        return Lifetimes(self)

    @cached_property
    def event_loop(self) -> Reach:
        """What runs on the event loop."""
        return Reach(self, [r for r in self.roots if r.on_loop], threads=False)

    @cached_property
    def loop_holds(self) -> LoopHolds:
        """What holds the event loop, and which routes wait for it."""
        return LoopHolds(self)

    @cached_property
    def thread_side(self) -> Reach:
        """What runs in the threadpool: plain functions from plain handlers, dependencies and tasks."""
        return Reach(self, [r for r in self.roots if not r.on_loop], threads=False, plain=True)

    @cached_property
    def requests(self) -> Reach:
        """What runs for a request, on the event loop or in a thread; start-up left out."""
        return Reach(self, [r for r in self.roots if r.kind != "start-up"], threads=True)

    @cached_property
    def calls(self) -> Calls:
        """Who calls whom."""
        return Calls(self.names, self.values, self.app_modules)

    @cached_property
    def route_map(self) -> RouteMap:
        """Every route FastAPI serves, the applications and routers, and what could not be known."""
        return read_routes(self)

    @property
    def routes(self) -> list[Route]:
        """Every HTTP and WebSocket route, in serving order for each application."""
        return self.route_map.routes

    @cached_property
    def guard_matrix(self) -> GuardMatrix:
        """Who may call what: one row a route with authentication, authorisation, and how each is asked for."""
        return GuardMatrix(self)

    @cached_property
    def values(self) -> ValueFacts:
        """What expressions are: types through assignments, annotations, constructors and returns."""
        return ValueFacts(self.names, self.spelled)

    @cached_property
    def defaults(self) -> Defaults:
        """What expressions are unless the environment says otherwise."""
        return Defaults(self.names, self.values)

    @cached_property
    def origins(self) -> Origins:
        """Ways from request input to places in the code."""
        return Origins(self)

    @cached_property
    def shapes(self) -> Shapes:
        """Type annotations taken apart."""
        return Shapes(self.names, self.values)

    @cached_property
    def schemas(self) -> Schemas:
        """Pydantic models, and what types are made of."""
        return Schemas(self.names, self.values, self.shapes, self.modules.values())

    @cached_property
    def pydantic_v1(self) -> list[Leftover]:
        """Idioms of Pydantic v1, whatever version the project pins."""
        return list(Leftovers(self.names, self.values, self.schemas, self.app_modules).find())

    @cached_property
    def parameters(self) -> Parameters:
        """Where FastAPI takes the parameters of functions from."""
        return Parameters(self.names, self.values, self.shapes, self.schemas)

    @cached_property
    def http_errors(self) -> HttpErrors:
        """HTTP errors that functions raise."""
        return HttpErrors(self)

    @cached_property
    def usage(self) -> Usage:
        """What each route takes and gives, and which classes travel in either direction."""
        return Usage(self)

    @cached_property
    def models(self) -> Models:
        """ORM models: tables, columns, keys, indexes, relationships."""
        return Models(self.names, self.values, self.modules.values())

    @cached_property
    def queries(self) -> Queries:
        """Calls that send a statement to the database."""
        return Queries(self)

    @cached_property
    def loops(self) -> Loops:
        """Statements sent once for each item of a loop."""
        return Loops(self)

    @cached_property
    def growth(self) -> Growth:
        """Which tables stay small."""
        return Growth(self)

    @cached_property
    def rows(self) -> RowFacts:
        """Which query gave the object that an expression holds."""
        return RowFacts(self)

    @cached_property
    def _lazy(self) -> LazyReads:
        return LazyReads(self)

    @property
    def lazy_reads(self) -> list[LazyRead]:
        """Reads of relationships that the query of the object did not load."""
        return self._lazy.all

    @property
    def unfetched_reads(self) -> list[LazyRead]:
        """Tortoise: fields read on relations that were never fetched."""
        return self._lazy.unfetched

    @cached_property
    def expired_reads(self) -> list[Place]:
        """Reads of ORM objects after a commit under AsyncSession."""
        return list(ExpiredReads(self).all())

    @cached_property
    def conditions(self) -> Conditions:
        """What calls say about conditions on parameters."""
        return Conditions(self)

    @cached_property
    def imports(self) -> Imports:
        """Which module imports which, and import cycles."""
        return Imports(self.names, self.app_modules)

    @cached_property
    def layers(self) -> Layers:
        """Which layer each module belongs to, and imports against the layers."""
        return Layers(self)

    @cached_property
    def exceptions(self) -> Exceptions:
        """Which exceptions are raised where, and which leave a path operation unanswered."""
        return Exceptions(self)

    @cached_property
    def answered(self) -> Answered:
        """Statuses that raised exceptions are answered with."""
        return Answered(self)

    @cached_property
    def environment(self) -> Environment:
        """Where the environment is read."""
        return Environment(self)

    @cached_property
    def shared_state(self) -> SharedState:
        """Module variables that change while the application runs."""
        return SharedState(self)

    @cached_property
    def remote_answers(self) -> RemoteAnswers:
        """How answers of other services are read."""
        return RemoteAnswers(self)

    @cached_property
    def repeated_reads(self) -> RepeatedReads:
        """Reads that give every request the same answer."""
        return RepeatedReads(self)

    @cached_property
    def work(self) -> Work:
        """What each path operation does itself."""
        return Work(self)

    @cached_property
    def effects(self) -> Effects:
        """What functions leave behind outside the process."""
        return Effects(self)

    @cached_property
    def tests(self) -> TestFacts:
        """What the tests mention, override and leave out."""
        return TestFacts(self)

    def layers_summary(self) -> list[str]:
        """What the overview says about layout and layers, one line each."""
        return list(self.known("layers", lambda: list(self.layers.summary())))

    @cached_property
    def stack_summary(self) -> list[tuple[str, str]]:
        """What the overview says about versions, tools and databases: label and text of each row."""
        return [(label, text) for label, text in self.known("stack", lambda: project_summary(self))]

    @cached_property
    def route_list(self) -> listed.RouteList:
        """The route map and its guards as outputs show them."""
        return listed.from_rows(self.known("routes", lambda: listed.rows_of(self)))

    @cached_property
    def route_counts(self) -> tuple[int, int]:
        """How many routes are known, and how many places look like one."""
        known, candidates = self.known("route counts", lambda: [self.route_map.known, self.route_map.candidates])
        return known, candidates

    @cached_property
    def migrations(self) -> Migrations:
        """Alembic revisions and environments."""
        return Migrations(self)

    @cached_property
    def sessions(self) -> Sessions:
        """Engines, session factories and the sessions that are opened."""
        return Sessions(self)

    @cached_property
    def concurrency(self) -> Concurrency:
        """Calls that run at the same time."""
        return Concurrency(self)

    @cached_property
    def filters(self) -> Filters:
        """Columns that statements filter by one value."""
        return Filters(self)

    @cached_property
    def spelled(self) -> Spelled:
        """Calls and attributes of the application by their last name."""
        return Spelled(self.app_modules)


def _line_count(text: str) -> int:
    ends = text.count("\n") + text.count("\r") - text.count("\r\n")
    return ends + (text != "" and not text.endswith(("\n", "\r")))
