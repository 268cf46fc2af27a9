"""Responses and uploads: the fast way to JSON, whole files in memory, files read on the loop."""

from __future__ import annotations

import ast

from async_performance.dimension import performance
from check import LOW, MEDIUM, Found, Hit
from project import Function, Project, Scope
from project.language.calls import CallSite
from project.language.scopes import parents
from project.serving.blocking import kind_of
from project.serving.roots import calls_to

JSON_CLASSES = {
    f"{module}.{name}": name
    for module in ("starlette.responses", "fastapi.responses")
    for name in ("JSONResponse", "ORJSONResponse", "UJSONResponse")
}
PLAIN_RESPONSES = frozenset(
    f"starlette.responses.{n}" for n in ("Response", "PlainTextResponse", "HTMLResponse", "JSONResponse")
)
STREAMS = frozenset(("starlette.responses.StreamingResponse",))
IN_MEMORY = frozenset("io.BytesIO io.StringIO builtins.list builtins.tuple builtins.str builtins.bytes".split())
READS_WHOLE = frozenset(("io.File.read", "pathlib.Path.read_bytes", "pathlib.Path.read_text"))
UPLOAD = "fastapi.datastructures.UploadFile"
FEW_BYTES = 1 << 16


@performance.check(
    "ASY008",
    "response-class-disables-fast-path",
    title="Response class that switches the fast way to JSON off",
    impact=MEDIUM,
    fix="Remove the response class and declare the return type.",
)
def response_class_disables_fast_path(project: Project) -> Found:
    """From FastAPI 0.130 on Pydantic writes the JSON bytes of a declared return type itself, unless a response class is
    set, JSONResponse too.

    Source: FastAPI, Custom Response, https://fastapi.tiangolo.com/advanced/custom-response/#json-performance

    Bad:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi>=0.130"]
        # app/main.py
        from fastapi import FastAPI
        from fastapi.responses import ORJSONResponse
        from pydantic import BaseModel

        app = FastAPI(default_response_class=ORJSONResponse)  # ASY008

        class Item(BaseModel):
            name: str

        @app.get("/items")
        async def read_items() -> list[Item]:
            return []
    Good:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi>=0.130"]
        # app/main.py
        from fastapi import FastAPI
        from pydantic import BaseModel

        app = FastAPI()

        class Item(BaseModel):
            name: str

        @app.get("/items")
        async def read_items() -> list[Item]:
            return []
    Not this:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi==0.115.0"]
        # app/main.py
        from fastapi import FastAPI
        from fastapi.responses import HTMLResponse, ORJSONResponse
        from pydantic import BaseModel

        app = FastAPI(default_response_class=ORJSONResponse)

        class Item(BaseModel):
            name: str

        @app.get("/items")
        async def read_items() -> list[Item]:
            return []

        @app.get("/", response_class=HTMLResponse)
        async def home() -> str:
            return ""
    """
    if not project.stack.at_least("fastapi", "0.130"):
        return
    with_model = [r for r in project.routes if r.response_model and not r.websocket]
    if not with_model:
        return
    found: dict[str, list[Hit]] = {}
    for call, scope in calls_to(project, frozenset(("FastAPI", "APIRouter"))):
        for given in (k for k in call.keywords if k.arg == "default_response_class"):
            name = _json_class(project, given.value, scope)
            if name:
                found.setdefault(name, []).append(Hit(scope.place(given.value), ""))
    for route in with_model:
        name = JSON_CLASSES.get(route.response_class or "", "")
        if name:
            found.setdefault(name, []).append(Hit(route.place, ""))
    for name, hits in found.items():
        first, *more = hits
        many = f" (and at {len(more)} more places)" if more else ""
        yield Hit(
            first.place,
            f"{name} keeps Pydantic from writing the JSON itself{many}",
            places=tuple(h.place for h in more),
        )


def _json_class(project: Project, expr: ast.expr, scope: Scope) -> str:
    return JSON_CLASSES.get(project.names.canonical(expr, scope) or "", "")


@performance.check(
    "ASY017",
    "whole-content-in-memory",
    title="Whole file or list in memory before it is sent",
    impact=LOW,
    fix="Return FileResponse for files and a plain Response for what is in memory; stream what is made bit by bit.",
)
def whole_content_in_memory(project: Project) -> Found:
    """A file that is read whole costs memory for each download. A StreamingResponse over something that is in memory
    saves nothing and costs a thread hop for each piece.

    Source: FastAPI, Custom Response, https://fastapi.tiangolo.com/advanced/custom-response/#fileresponse

    Bad:
        # app/main.py
        import io
        from pathlib import Path
        from fastapi import FastAPI, Response
        from fastapi.responses import StreamingResponse

        app = FastAPI()

        @app.get("/report")
        def report():
            return Response(Path("report.pdf").read_bytes(), media_type="application/pdf")  # ASY017

        @app.get("/export")
        def export():
            buffer = io.BytesIO(b"a,b")
            return StreamingResponse(buffer, media_type="text/csv")  # ASY017
    Good:
        from fastapi import FastAPI, Response
        from fastapi.responses import FileResponse

        app = FastAPI()

        @app.get("/report")
        def report():
            return FileResponse("report.pdf")

        @app.get("/export")
        def export():
            return Response(b"a,b", media_type="text/csv")
    Not this:
        from fastapi import FastAPI
        from fastapi.responses import HTMLResponse, StreamingResponse

        app = FastAPI()
        PAGE = open("index.html").read()

        def rows():
            yield "a,b"

        @app.get("/export")
        def export():
            return StreamingResponse(rows(), media_type="text/csv")

        @app.get("/")
        def home():
            return HTMLResponse(PAGE)
    """
    streamed: list[Hit] = []
    for call, scope in calls_to(project, frozenset(("StreamingResponse", "Response"))):
        content = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "content"), None)
        if content is None or project.requests.within(scope) is None:
            continue
        names = {v.dotted for v in project.values.of(call.func, scope)}
        if names & STREAMS and _is_in_memory(project, content, scope):
            streamed.append(
                Hit(scope.place(call), f"{ast.unparse(content)[:60]} is streamed although it is in memory already")
            )
        elif names & PLAIN_RESPONSES and _reads_whole(project, content, scope):
            yield Hit(
                scope.place(call), f"{ast.unparse(content)[:60]} puts the whole file into memory for each request"
            )
    if streamed:
        first, *more = streamed
        many = f" (and at {len(more)} more places)" if more else ""
        yield Hit(first.place, first.message + many, places=tuple(h.place for h in more))


def _is_in_memory(project: Project, content: ast.expr, scope: Scope) -> bool:
    if (
        isinstance(content, ast.Call)
        and isinstance(content.func, ast.Name)
        and content.func.id == "iter"
        and content.args
    ):
        content = content.args[0]
    values = project.values.of(content, scope)
    return bool(values) and all(v.dotted in IN_MEMORY for v in values)


def _reads_whole(project: Project, content: ast.expr, scope: Scope) -> bool:
    return isinstance(content, ast.Call) and any(
        v.dotted in READS_WHOLE for v in project.values.of(content.func, scope)
    )


@performance.check(
    "ASY019",
    "upload-read-on-event-loop",
    title="Uploaded file read or copied on the event loop",
    impact=MEDIUM,
    anti_pattern=2,
    fix="Read it with await file.read(size), or make the path operation a plain def.",
)
def upload_read_on_event_loop(project: Project) -> Found:
    """UploadFile.read is asynchronous, but its .file is a plain file, on disk beyond one megabyte: reading or copying
    it holds the loop.

    Source: FastAPI, Request Files, https://fastapi.tiangolo.com/tutorial/request-files/#uploadfile

    Bad:
        import shutil
        from fastapi import FastAPI, UploadFile

        app = FastAPI()

        @app.post("/upload")
        async def upload(file: UploadFile):
            with open("copy", "wb") as target:
                shutil.copyfileobj(file.file, target)  # ASY019
    Good:
        import anyio
        from fastapi import FastAPI, UploadFile

        app = FastAPI()

        @app.post("/upload")
        async def upload(file: UploadFile):
            async with await anyio.open_file("copy", "wb") as target:
                while piece := await file.read(1 << 20):
                    await target.write(piece)
    Not this:
        import shutil
        from fastapi import FastAPI, UploadFile

        app = FastAPI()

        @app.post("/upload")
        def upload(file: UploadFile):
            with open("copy", "wb") as target:
                shutil.copyfileobj(file.file, target)
    """
    loop = project.event_loop
    found: dict[Function, list[tuple[CallSite, str]]] = {}
    for function, site, name in loop.calls_of(_reads_files):
        if not site.awaited and (_is_upload(project, function, site, name) or project.loop_holds.reads_upload(site)):
            found.setdefault(function, []).append((site, name))
    for function, reads in found.items():
        site, name = reads[0]
        label = loop.root(function, site).label
        message = f"{name.replace('typing.BinaryIO', 'file.file')} of an upload blocks the event loop in {label}"
        trace = (*loop.trace(function, site), site.place(name))
        impact = LOW if all(map(_reads_little, (s for s, _ in reads))) else None
        places = tuple(s.place() for s, _ in reads[1:])
        yield Hit(site.place(), message, trace, impact, loop.certainty(function, site), places)


def _is_upload(project: Project, function: Function, site: CallSite, name: str) -> bool:
    """Whether the file that is read comes from the client: `upload.file`, or below a function that takes uploads."""
    if kind_of(name) != "upload":
        return False
    func = site.call.func if site.call is not None else None
    read = func.value if isinstance(func, ast.Attribute) else None
    if isinstance(read, ast.Attribute) and read.attr == "file":
        return True
    roots = project.event_loop.roots_reaching(function, site)
    taken = (arg.annotation for root in roots for arg, _ in root.function.params if arg.annotation is not None)
    return any("UploadFile" in ast.unparse(annotation) for annotation in taken)


def _reads_little(site: CallSite) -> bool:
    """Whether a call reads the first bytes only: a small fixed size, and not in a loop."""
    size = site.argument(0)
    small = isinstance(size, ast.Constant) and isinstance(size.value, int) and 0 < size.value <= FEW_BYTES
    return small and not any(isinstance(h, (ast.For, ast.AsyncFor, ast.While)) for h in parents(site.node))


def _reads_files(name: str) -> bool:
    return kind_of(name) in ("file", "compute", "upload")
