"""What a function leaves behind outside the process, itself or through what it calls: rows, files, messages."""

from __future__ import annotations

import ast
import re
from collections import deque
from typing import TYPE_CHECKING

from project.data.queries import WRITE
from project.language.calls import CallSite
from project.language.literals import keyword
from project.language.scopes import Function
from project.serving.handler_work import SESSION_CLASSES

if TYPE_CHECKING:
    from project import Project

ROWS, FILES, OBJECTS, MESSAGES = "rows", "files", "stored objects", "messages"
MAX_CALLS = 4
_SESSION_WRITES = frozenset(
    f"{c}.{m}" for c in SESSION_CLASSES for m in ("add", "add_all", "delete", "merge", "commit", "bulk_save_objects")
)
_FILE_WRITES = frozenset(
    "shutil.copy shutil.copy2 shutil.copyfile shutil.copytree shutil.move shutil.rmtree os.remove os.unlink os.rename "
    "os.replace pathlib.Path.write_text pathlib.Path.write_bytes pathlib.Path.unlink pathlib.Path.rename "
    "pathlib.Path.replace".split()
)
_OPENS = frozenset("builtins.open io.open pathlib.Path.open aiofiles.open anyio.open_file".split())
_HTTP = frozenset("httpx httpx2 requests aiohttp".split())
_HTTP_WRITES = frozenset(("post", "put", "patch", "delete"))
_HTTP_ANY = frozenset(("request", "stream"))  # the method is the first argument
_STORES = frozenset("put_object upload_file upload_fileobj delete_object delete_objects upload_blob".split())
_SENDS = frozenset("sendmail send_message send_email publish basic_publish send_and_wait apply_async".split())
_WRITING_MODE = re.compile(r"[wax+]")


class Effects:
    """Kinds of effects of functions, each worked out once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._own: dict[Function, str] = {}

    def of(self, function: Function) -> str:
        """The nearest effect, up to four calls away: ROWS, FILES, OBJECTS or MESSAGES; "" when none is seen."""
        queue = deque([(function, 0)])
        seen = {function}
        while queue:
            current, calls = queue.popleft()
            if effect := self._own_effect(current):
                return effect
            for edge in self._project.edges.of(current) if calls < MAX_CALLS else ():
                if edge.target not in seen:
                    seen.add(edge.target)
                    queue.append((edge.target, calls + 1))
        return ""

    def _own_effect(self, function: Function) -> str:
        if function not in self._own:
            self._own[function] = self._find(function)
        return self._own[function]

    def _find(self, function: Function) -> str:
        if any(e.effect == WRITE for e in self._project.queries.of(function)):
            return ROWS
        return next((e for s in self._project.calls.sites(function) if (e := _effect(s))), "")


def _effect(site: CallSite) -> str:
    """What a call of a library leaves behind."""
    if site.call is None or site.targets:
        return ""
    for name in site.names:
        root, last = name.partition(".")[0], name.rpartition(".")[2]
        if name in _SESSION_WRITES:
            return ROWS
        if name in _FILE_WRITES or (name in _OPENS and _opens_to_write(site.call, name)):
            return FILES
        if root in _HTTP and (last in _HTTP_WRITES or (last in _HTTP_ANY and _says_write(site.call))):
            return MESSAGES
    func = site.call.func
    last = func.attr if isinstance(func, ast.Attribute) else ""
    return OBJECTS if last in _STORES else MESSAGES if last in _SENDS else ""


def _says_write(call: ast.Call) -> bool:
    method = keyword(call, "method") or (call.args[0] if call.args else None)
    return isinstance(method, ast.Constant) and str(method.value).lower() in _HTTP_WRITES


def _opens_to_write(call: ast.Call, name: str) -> bool:
    at = 0 if name == "pathlib.Path.open" else 1
    mode = keyword(call, "mode") or (call.args[at] if len(call.args) > at else None)
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and bool(_WRITING_MODE.search(mode.value))
