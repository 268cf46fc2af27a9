"""The OpenAPI document as a whole: title, tags, descriptions, versions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from api_design.dimension import api
from api_design.routes import (
    Handler,
    app_of,
    apps_by_router,
    handlers,
    is_app_code,
    is_health_check,
    is_published,
    segments,
)
from api_design.wording import counted
from check import LOW, Found, Hit
from project import Project
from project.routing.routes import App, Route

FEW = 10
_VERSION = re.compile(r"^v\d+([._-]\d+)*([a-z]+\d*)?$", re.IGNORECASE)


@api.check(
    "API012",
    "openapi-metadata-thin",
    title="OpenAPI document with gaps",
    impact=LOW,
    fix="Give FastAPI title and version, routers tags, handlers a docstring.",
)
def openapi_metadata_thin(project: Project) -> Found:
    """The OpenAPI document is what other teams and client generators see: without title, tags and descriptions it lists
    paths only.

    Source: FastAPI, Metadata and Docs URLs, https://fastapi.tiangolo.com/tutorial/metadata/

    Bad:
        from fastapi import FastAPI

        app = FastAPI()  # API012

        def read() -> int:
            return 1

        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]:
            app.add_api_route(f"/{name}", read)
    Good:
        from fastapi import APIRouter, FastAPI

        router = APIRouter(prefix="/items", tags=["items"])

        def read() -> int:
            \"\"\"Read one item.\"\"\"
            return 1

        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]:
            router.add_api_route(f"/{name}", read)

        app = FastAPI(title="Shop", version="1.4.0")
        app.include_router(router)
    Not this:
        from fastapi import FastAPI

        app = FastAPI(openapi_url=None)

        def read() -> int:
            return 1

        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]:
            app.add_api_route(f"/{name}", read)
    """
    for app, found in _documented(project):
        gaps = []
        missing = [word for word in ("title", "version") if word not in app.kwargs]
        if missing and app.call is not None and not any(k.arg is None for k in app.call.keywords):
            gaps.append(f"FastAPI() has no {' and no '.join(missing)}")
        untagged = [h for h in found if not h.route.tags]
        if untagged:
            gaps.append(f"{counted(len(untagged), 'route')} of {len(found)} have no tag")
        bare = [h for h in found if not _is_described(h)]
        if len(bare) * 2 > len(found):
            gaps.append(f"{len(bare)} of {len(found)} have no docstring or description")
        if "title" in missing or len(untagged) * 10 > len(found) or len(bare) * 2 > len(found):
            yield Hit(app.place, f"Gaps in the OpenAPI document: {'; '.join(gaps)}")


def _documented(project: Project) -> Iterator[tuple[App, list[Handler]]]:
    """Applications that publish a document, with their handlers in it; small ones left out."""
    apps = apps_by_router(project)
    by_app: dict[int, list[Handler]] = defaultdict(list)
    for handler in handlers(project):
        if is_published(handler.route, apps):
            by_app[id(app_of(handler.route, apps))].append(handler)
    for app in project.route_map.apps:
        found = by_app.get(id(app), [])
        if sum(len(h.routes) for h in found) >= FEW and is_app_code(project, app.place):
            yield app, found


def _is_described(handler: Handler) -> bool:
    if {"description", "summary"} & set(handler.route.options):
        return True
    body = handler.function.body
    first = getattr(body[0], "value", None) if body else None
    return isinstance(getattr(first, "value", None), str)


@api.check(
    "API015",
    "api-versioning-missing",
    title="API without version",
    impact=LOW,
    fix="Put the routes under APIRouter(prefix='/api/v1'), so that a breaking change can go to v2.",
)
def api_versioning_missing(project: Project) -> Found:
    """Without a version in path or header every breaking change breaks all clients at once. An internal API whose
    clients
    are released together needs none.

    Source: full-stack-fastapi-template, app/main.py, https://github.com/fastapi/full-stack-fastapi-template

    Bad:
        from fastapi import FastAPI

        app = FastAPI()  # API015

        def read() -> int:
            return 1

        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]:
            app.add_api_route(f"/{name}", read)
    Good:
        from fastapi import APIRouter, FastAPI

        router = APIRouter(prefix="/api/v1")

        def read() -> int:
            return 1

        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]:
            router.add_api_route(f"/{name}", read)

        app = FastAPI()
        app.include_router(router)
    Not this:
        from typing import Annotated

        from fastapi import Depends, FastAPI, Header

        def get_version(api_version: Annotated[str, Header()]) -> str:
            return api_version

        app = FastAPI(dependencies=[Depends(get_version)])

        def read() -> int:
            return 1

        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]:
            app.add_api_route(f"/{name}", read)
    """
    if any("cadwyn" in (imported or "") for imported in _imported(project)):
        return
    for app, found in _documented(project):
        routes = [r for h in found for r in h.routes if not is_health_check(r)]
        if "root_path" in app.kwargs or len(routes) < FEW:
            continue
        if not any(_is_versioned(r, project) for r in routes):
            message = f"None of the {len(routes)} routes has a version in its path or headers"
            yield Hit(app.place, message)


def _imported(project: Project) -> Iterator[str]:
    for module in project.app_modules:
        yield from (b.target for bindings in module.bindings.values() for b in bindings if b.kind in ("import", "from"))


def _is_versioned(route: Route, project: Project) -> bool:
    if any(_VERSION.match(part) for part in segments(route.path)) or "?" in route.path:
        return True
    return any(p.kind in ("header", "query") and "version" in p.name.lower() for p in project.usage.parameters(route))
