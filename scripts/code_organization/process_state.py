"""What a request changes for the whole process."""

from __future__ import annotations

from collections import defaultdict

from check import HIGH, LOW, MEDIUM, Found, Hit
from code_organization.dimension import organization
from project import Project
from project.serving.environment_writes import EnvWrite, environment_writes


@organization.check(
    "ORG021",
    "environment-changed-by-request",
    title="Request changes the environment of the process",
    impact=MEDIUM,
    fix="Hand the value over as an argument or in an object of the request.",
)
def environment_changed_by_request(project: Project) -> Found:
    """The environment belongs to all requests of a worker: one caller's key or address serves the others.

    Source: Python, os.environ, https://docs.python.org/3/library/os.html#os.environ

    Bad:
        import os
        from fastapi import FastAPI
        from pydantic import BaseModel

        app = FastAPI()

        class Ask(BaseModel):
            api_key: str
            text: str

        @app.post("/ask")
        def ask(body: Ask) -> str:
            os.environ["OPENAI_API_KEY"] = body.api_key  # ORG021
            return complete(body.text)

        def complete(text: str) -> str: ...
    Good:
        from fastapi import FastAPI
        from pydantic import BaseModel

        app = FastAPI()

        class Ask(BaseModel):
            api_key: str
            text: str

        @app.post("/ask")
        def ask(body: Ask) -> str:
            return complete(body.text, api_key=body.api_key)

        def complete(text: str, api_key: str) -> str: ...
    Not this:
        import os
        from contextlib import asynccontextmanager
        from fastapi import FastAPI

        @asynccontextmanager
        async def lifespan(app: FastAPI):
            os.environ["TZ"] = read_zone()
            yield

        app = FastAPI(lifespan=lifespan)

        @app.get("/zone")
        def zone() -> str:
            os.environ["TOKENIZERS_PARALLELISM"] = "false"
            return os.environ["TZ"]

        def read_zone() -> str: ...
    """
    found: dict[str, list[EnvWrite]] = defaultdict(list)
    for write in environment_writes(project):
        if project.requests.root(write.function).kind != "start-up":
            found[write.place.path].append(write)
    for writes in found.values():
        writes.sort(key=lambda w: (not w.lent, w.way is None, w.place.line))
        first = writes[0]
        root = project.requests.root(first.function)
        who = f"{first.way.source} goes" if first.way is not None else f"{root.label} writes"
        trace = first.way.places if first.way is not None else project.requests.trace(first.function)
        message = f"{who} into the environment, which all requests of the process share"
        others = tuple(w.place for w in writes if w is not first)
        impact = MEDIUM if first.way is not None or any(w.secret for w in writes) else LOW
        if first.lent:
            message = f"{root.label} writes a credential into the environment: other users' calls go out with it"
            impact = HIGH
        yield Hit(first.place, message, trace, impact, places=others)
