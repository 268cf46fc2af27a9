"""Configuration, logging, pinned dependencies."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from check import LOW, MEDIUM, Found, Hit, NotAssessed
from code_organization.dimension import organization
from project import Class, Function, Project
from project.language.environment import EnvRead
from project.place import Place
from project.stack.requirements import Manifest

MANY_MODULES, MANY_UNPINNED = 3, 3
_FORMS = ("form", "file")


@organization.check(
    "ORG007",
    "scattered-configuration",
    title="Configuration read in many places",
    impact=MEDIUM,
    fix="Read the environment in one settings class; hand it out through a cached `get_settings`.",
)
def scattered_configuration(project: Project) -> Found:
    """Nobody can say what the application needs to start, and a missing value shows at the third request.

    Source: FastAPI, Settings and Environment Variables, https://fastapi.tiangolo.com/advanced/settings/

    Bad:
        # app/couriers.py
        import os

        URL = os.getenv("COURIER_URL", "https://courier.test")  # ORG007
        # app/prices.py
        import os

        URL = os.environ["PRICES_URL"]
        # app/mail.py
        from os import getenv

        HOST = getenv("MAIL_HOST")
    Good:
        # app/settings.py
        from pydantic_settings import BaseSettings

        class Settings(BaseSettings):
            courier_url: str
            prices_url: str
            mail_host: str
    Not this:
        # app/settings.py
        import os

        COURIER_URL = os.getenv("COURIER_URL")
        # app/main.py
        import os

        PORT = os.getenv("LISTEN_PORT")
        # app/paths.py
        import os

        HOME = os.environ["HOME"]
        # app/config/mail.py
        import os

        MAIL = os.getenv("MAIL_HOST")
        # scripts/seed.py
        import os

        SEED = os.getenv("SEED")
    """
    reads = project.environment.scattered
    modules = list(dict.fromkeys(r.module.path for r in reads))
    if len(modules) >= MANY_MODULES:
        names = [name for name in dict.fromkeys(r.name for r in reads) if name]
        listed = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        message = f"{len(modules)} modules outside of the settings read the environment: {listed}"
        asked = {r.module for r in reads if _fails_while_served(project, r)}
        impact = None if len(asked) >= MANY_MODULES and len(modules) <= 2 * len(asked) else LOW
        yield Hit(reads[0].place(), message, impact=impact, places=tuple(r.place() for r in reads[1:]))
    yield from _read_past_pydantic(project)
    yield from _made_anew(project)
    dotenvs = project.environment.dotenvs
    if len({place.path for place in dotenvs}) >= MANY_MODULES:
        message = f"load_dotenv is called in {len(dotenvs)} places: which file counts depends on what is imported first"
        yield Hit(dotenvs[0], message, impact=LOW, places=tuple(dotenvs[1:]))


def _fails_while_served(project: Project, read: EnvRead) -> bool:
    """Whether requests run a read that has no default."""
    served = isinstance(read.scope, Function) and project.requests.within(read.scope) is not None
    return served and not (isinstance(read.node, ast.Call) and len(read.node.args) + len(read.node.keywords) > 1)


def _read_past_pydantic(project: Project) -> Iterator[Hit]:
    by_file: dict[str, list[Place]] = defaultdict(list)
    readers: dict[str, Place] = {}
    for schema, place, reader in project.environment.read_twice:
        by_file[schema.cls.module.path].append(place)
        if reader is not None:
            readers[schema.cls.module.path] = reader
    for path, places in by_file.items():
        trace = (readers[path],) if path in readers else ()
        more = f", as do {len(places) - 1} more fields" if len(places) > 1 else ""
        what = "reads the environment itself when the class is made"
        message = f"{places[0].label} {what}{more}: Pydantic would, and validate it"
        yield Hit(places[0], message, trace, LOW, places=tuple(places[1:]))


def _made_anew(project: Project) -> Iterator[Hit]:
    """Settings classes that several modules make an object of."""
    made: dict[Class, list[Place]] = defaultdict(list)
    classes = {schema.cls for schema in project.schemas.settings}
    names = {cls.name for cls in classes}
    for module in project.app_modules:
        for scope in module.walk() if any(name in module.source.text for name in names) else ():
            for call in scope.all(ast.Call):
                last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                target = project.names.resolve(call.func, scope) if last in names and not call.args else None
                if isinstance(target, Class) and target in classes and not call.keywords:
                    made[target].append(scope.place(call))
    for cls, places in made.items():
        modules = {place.path for place in places}
        if len(modules) >= 2:
            message = (
                f"{cls.name} is made in {len(modules)} modules: each reads the environment again, tests must patch each"
            )
            yield Hit(places[0], message, impact=LOW, places=tuple(places[1:]))


@organization.check(
    "ORG013",
    "logging-and-observability",
    title="Output past the logging",
    impact=LOW,
    fix="Use `logging.getLogger(__name__)`; set logging up once, at the entry point.",
)
def logging_and_observability(project: Project) -> Found:
    """print has no level, no time, no request and no switch; several set-ups of logging undo each other.

    Source: Python, Logging HOWTO, https://docs.python.org/3/howto/logging.html

    Bad:
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/x")
        def read_x() -> int:
            print("reading")  # ORG013
            return 1
    Good:
        import logging
        from fastapi import FastAPI

        logger = logging.getLogger(__name__)
        app = FastAPI()

        @app.get("/x")
        def read_x() -> int:
            logger.info("reading")
            return 1
    Not this:
        from fastapi import FastAPI

        app = FastAPI()

        def main() -> None:
            print("seeded")

        @app.get("/x")
        def read_x() -> int:
            return 1

        if __name__ == "__main__":
            main()
    """
    printed = [
        function.place(call)
        for function in project.requests.functions
        for call in function.called.get("print", ())
        if isinstance(call.func, ast.Name)
        and not any(k.arg == "file" for k in call.keywords)
        and project.names.canonical(call.func, function) == "builtins.print"
    ]
    printed.sort()
    if printed:
        more = f", and at {len(printed) - 1} more places" if len(printed) > 1 else ""
        yield Hit(printed[0], f"print runs for requests{more}", places=tuple(printed[1:]))
    set_up = sorted(_logging_set_ups(project))
    if len({place.path for place in set_up}) > 1:
        message = (
            f"logging.basicConfig is called in {len({p.path for p in set_up})} modules: only the first that runs counts"
        )
        yield Hit(set_up[0], message, places=tuple(set_up[1:]))


def _logging_set_ups(project: Project) -> Iterator[Place]:
    for module in project.app_modules:
        is_script = any(
            "__name__" in {n.id for n in ast.walk(test.test) if isinstance(n, ast.Name)} for test in module.all(ast.If)
        )
        if not is_script and not project.environment.is_home(module):
            for call in module.all(ast.Call):
                if project.names.canonical(call.func, module) == "logging.basicConfig":
                    yield module.place(call)


@organization.check(
    "ORG015",
    "dependency-pins",
    title="Dependencies that differ from install to install",
    impact=LOW,
    fix="Commit a lock file (uv, Poetry, pip-tools) and install from it; declare what is imported.",
)
def dependency_pins(project: Project) -> Found:
    """Without a lock file tomorrow's image has other versions than the one that was tested.

    Source: FastAPI, About FastAPI versions, https://fastapi.tiangolo.com/deployment/versions/

    Bad:
        # requirements.txt
        fastapi  # ORG015
        sqlalchemy>=2
        httpx
    Good:
        # requirements.txt
        fastapi==0.165.0
        sqlalchemy==2.1.9
        httpx==0.28.1
    Not this:
        # pyproject.toml
        [project]
        name = "app"
        dependencies = ["fastapi>=0.165", "sqlalchemy>=2", "httpx"]
        # uv.lock
        version = 1

        [[package]]
        name = "fastapi"
        version = "0.165.0"
    """
    manifest = project.stack.manifest
    if manifest is None or manifest.path.endswith(("METADATA", "PKG-INFO")):
        yield NotAssessed(
            "no source file here declares the dependencies of the application (pyproject.toml, requirements.txt)"
        )
        return
    yield from _unpinned(project, manifest)
    yield from _missing_parts(project)


def _unpinned(project: Project, manifest: Manifest) -> Iterator[Hit]:
    above = [lock for lock in project.stack.locks if not lock.folder or manifest.path.startswith(lock.folder + "/")]
    if any(m.declares("fastapi") and all(r.allowed.pinned for r in m.dependencies) for m in project.stack.manifests):
        return
    loose = [
        r for r in manifest.dependencies if not r.dev and not r.group and not r.allowed.pinned and r.locked is None
    ]
    if not above and len(loose) >= MANY_UNPINNED:
        names = ", ".join(r.name for r in loose[:3])
        message = f"{len(loose)} dependencies without a fixed version ({names}, ...) and no lock file"
        yield Hit(Place(manifest.path, loose[0].place.line, loose[0].place.line), message)


def _missing_parts(project: Project) -> Iterator[Hit]:
    stack = project.stack
    fastapi = stack.dependency("fastapi")
    if fastapi is None:
        return
    declared = [r for m in stack.manifests for r in m.dependencies]  # of every part of the repository
    everything = any(r.name == "fastapi" and r.extras & {"standard", "all"} for r in declared)
    if not everything and not any(r.name == "python-multipart" for r in declared):
        route = next((r for r in project.routes if any(p.kind in _FORMS for p in project.usage.parameters(r))), None)
        if route is not None:
            message = f"python-multipart is not declared, but {route.handler} takes a form: RuntimeError at the start"
            yield Hit(fastapi.place, message, (route.place,), MEDIUM)
    alchemy = stack.dependency("sqlalchemy")
    bare = alchemy is not None and "asyncio" not in alchemy.extras and not stack.has("greenlet")
    if alchemy is not None and bare and stack.at_least("sqlalchemy", "2.1") and _uses_async_sessions(project):
        yield Hit(
            alchemy.place,
            "SQLAlchemy 2.1 brings greenlet only with sqlalchemy[asyncio]: async engines fail",
            impact=MEDIUM,
        )


def _uses_async_sessions(project: Project) -> bool:
    for module in project.app_modules:
        for bindings in module.bindings.values():
            if any(b.target.startswith("sqlalchemy.ext.asyncio") for b in bindings):
                return True
    return False
