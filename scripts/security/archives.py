"""Archives that strangers send."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from check import HIGH, MEDIUM, Found
from project import Project, Scope
from project.language.calls import CallSite
from project.language.scopes import parents, subtree
from security.dimension import security
from security.reached import only_admins, reached

_ZIPS = ("zipfile.ZipFile",)
_TARS = ("tarfile.open", "tarfile.TarFile.open", "tarfile.TarFile")
_UNPACKS = frozenset("read extract extractall open extractfile".split())
_MEASURES = re.compile(r"file_size|compress_size|total_size|max_|_max|limit|\bsize\b|ratio|bomb", re.IGNORECASE)


@security.check(
    "SEC034",
    "archive-unpacked-unmeasured",
    title="Archive of a client unpacked without measuring it",
    impact=MEDIUM,
    anti_pattern=8,
    fix='Sum ZipInfo.file_size and count entries first; tarfile: extractall(path, filter="data").',
)
def archive_unpacked_unmeasured(project: Project) -> Found:
    """A few kilobytes unpack to gigabytes; a limit on the upload does not see that.

    Source: Python, zipfile (Decompression pitfalls), https://docs.python.org/3/library/zipfile.html ; tarfile,
    Extraction filters, https://docs.python.org/3/library/tarfile.html#extraction-filters

    Bad:
        import tarfile
        import zipfile
        from fastapi import FastAPI, UploadFile

        app = FastAPI()

        @app.post("/zip")
        def take(file: UploadFile) -> int:
            with zipfile.ZipFile(file.file) as archive:  # SEC034
                return sum(len(archive.read(name)) for name in archive.namelist())

        @app.post("/tar")
        def untar(file: UploadFile) -> None:
            with tarfile.open(fileobj=file.file) as archive:  # SEC034
                archive.extractall("/srv/up")
    Good:
        import zipfile
        from fastapi import FastAPI, HTTPException, UploadFile

        app = FastAPI()

        @app.post("/zip")
        def take(file: UploadFile) -> int:
            with zipfile.ZipFile(file.file) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > 10**8:
                    raise HTTPException(413)
                return sum(len(archive.read(name)) for name in archive.namelist())
    Not this:
        import zipfile
        from fastapi import FastAPI, UploadFile

        app = FastAPI()

        @app.post("/zip")
        def take(file: UploadFile) -> list[str]:
            with zipfile.ZipFile(file.file) as archive:
                return archive.namelist()

        def unpack_model() -> None:
            with zipfile.ZipFile("/srv/model.zip") as archive:
                archive.extractall("/srv/model")
    """
    opened = reached(project, _ZIPS, lambda site: site.argument(0, "file"), "")
    tarred = reached(project, _TARS, lambda site: site.argument(2, "fileobj") or site.argument(0, "name"), "")
    for site, way, hit in (*opened, *tarred):
        how = _unpacked(site)
        if how and way.source == "uploaded content" and not only_admins(project, way):
            impact = HIGH if "leave the folder" in how else MEDIUM
            yield replace(hit, message=f"{way.source} is unpacked {how}", impact=impact)


def _unpacked(site: CallSite) -> str:
    """How the opened archive is unpacked in the function that opens it; "" when it is measured, or is not unpacked."""
    name = _name(site)
    uses = [n for n in subtree(site.scope.node) if isinstance(n, ast.Call) and name and _is_method_of(n, name)]
    unpacking = [n for n in uses if n.func.attr in _UNPACKS]  # type: ignore[attr-defined]
    if not unpacking or any(map(_MEASURES.search, _words(site.scope))):
        return ""
    unfiltered = [n for n in unpacking if n.func.attr == "extractall" and not _is_filtered(n)]  # type: ignore[attr-defined]
    if site.names[0] in _TARS and unfiltered:
        return "without a filter: before Python 3.14 its entries may leave the folder"
    return "without a look at sizes"


def _name(site: CallSite) -> str:
    """The name the archive is bound to."""
    for holder in parents(site.node):
        if isinstance(holder, ast.withitem):
            return holder.optional_vars.id if isinstance(holder.optional_vars, ast.Name) else ""
        if isinstance(holder, ast.Assign):
            return holder.targets[0].id if isinstance(holder.targets[0], ast.Name) else ""
    return ""


def _is_method_of(call: ast.Call, name: str) -> bool:
    func = call.func
    return isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == name


def _is_filtered(call: ast.Call) -> bool:
    return any(k.arg in ("filter", "members") for k in call.keywords)


def _words(scope: Scope) -> Iterator[str]:
    for node in subtree(scope.node):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
