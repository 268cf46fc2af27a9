"""How files of strangers are served, and what is unpacked of them."""

from __future__ import annotations

from collections.abc import Iterator

from check import HIGH, INFERRED, MEDIUM, Found, Hit
from project import Project
from project.serving.uploaded_types import UploadedTypes
from security.around import by_file
from security.browsers import uses_cookies
from security.dimension import security


@security.check(
    "SEC032",
    "uploaded-type-served",
    title="Upload served as the type its uploader chose",
    impact=HIGH,
    anti_pattern=8,
    fix='Send "Content-Disposition: attachment", or a type from a list of harmless ones.',
)
def uploaded_type_served(project: Project) -> Found:
    """An upload sent as text/html or SVG is a page of this site with its scripts.

    Source: OWASP, File Upload Cheat Sheet, https://cheatsheetseries.owasp.org/cheatsheets/File_Upload_Cheat_Sheet.html

    Bad:
        from fastapi import FastAPI, UploadFile
        from fastapi.responses import Response

        app = FastAPI()

        @app.post("/files")
        async def upload(file: UploadFile) -> None:
            save(await file.read(), kind=file.content_type or "text/plain")

        @app.get("/files/{file_id}")
        def download(file_id: int) -> Response:
            record = find(file_id)
            return Response(record.content, media_type=record.kind)  # SEC032

        def save(content, kind): ...

        def find(file_id): ...
    Good:
        from fastapi import FastAPI, UploadFile
        from fastapi.responses import Response

        app = FastAPI()

        @app.post("/files")
        async def upload(file: UploadFile) -> None:
            save(await file.read(), kind=file.content_type or "text/plain")

        @app.get("/files/{file_id}")
        def download(file_id: int) -> Response:
            record = find(file_id)
            return Response(
                record.content, media_type=record.kind, headers={"Content-Disposition": "attachment"}
            )

        def save(content, kind): ...

        def find(file_id): ...
    Not this:
        from fastapi import FastAPI, HTTPException, UploadFile
        from fastapi.responses import FileResponse, Response

        app = FastAPI()
        IMAGES = {"image/png", "image/jpeg"}

        @app.post("/files")
        async def upload(file: UploadFile) -> None:
            if file.content_type not in IMAGES:
                raise HTTPException(415)
            save(await file.read(), kind=file.content_type)

        @app.get("/files/{file_id}")
        def download(file_id: int) -> Response:
            record = find(file_id)
            return Response(record.content, media_type=record.kind)

        @app.get("/files/{file_id}/original")
        def original(file_id: int) -> FileResponse:
            record = find(file_id)
            return FileResponse(record.path, filename="original", media_type=record.kind)

        def save(content, kind): ...

        def find(file_id): ...
    """
    yield from by_file(_served(project))


def _served(project: Project) -> Iterator[Hit]:
    impact = HIGH if uses_cookies(project) else MEDIUM
    for served in UploadedTypes(project).served():
        what = "the uploader's file name" if served.guessed else f"{served.kept_as}, which the uploader chose,"
        message = f"{what} decides as what this is shown: HTML and SVG run scripts of this site"
        yield Hit(served.site.place(), message, (served.kept_at,), impact, INFERRED)
