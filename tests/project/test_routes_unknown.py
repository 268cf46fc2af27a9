"""What cannot be decided is marked, what cannot be known is listed with its place, and nothing is invented."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make

from catalogue import CHECKS
from project import Project
from project.routing.dependencies import call_name
from project.routing.route_builder import read_routes


def paths(project: Project, conditional: bool | None = None) -> list[str]:
    return [r.path for r in project.routes if conditional is None or r.conditional is conditional]


def unknown(project: Project) -> list[tuple[str, int]]:
    return [(u.path, u.line) for u in project.route_map.unknown]


BRANCHES = """
    import os
    from fastapi import APIRouter, FastAPI
    from pydantic_settings import BaseSettings

    class Settings(BaseSettings):
        DEBUG: bool = False
        API: str = "/api"

    settings = Settings()
    app = FastAPI()
    router = APIRouter(prefix=settings.API)
    debug = APIRouter()

    @router.get("/always")
    def always(): ...

    @debug.get("/debug")
    def debugging(): ...

    app.include_router(router)
    if settings.DEBUG:
        app.include_router(debug)
    if os.getenv("ADMIN", "off") != "off":
        @app.get("/admin")
        def admin(): ...
    else:
        @app.get("/no-admin")
        def no_admin(): ...
    if 1 > 2:
        @app.get("/never")
        def never(): ...

    def late():
        if not settings.DEBUG:
            return
        app.add_api_route("/late", always)

    late()
    extra = [debug] if os.environ.get("EXTRA") else []
    for one in extra:
        app.include_router(one, prefix="/extra")
    chosen = []
    if settings.DEBUG:
        chosen.append(debug)
    for one in chosen:
        app.include_router(one, prefix="/chosen")
"""


def test_branches_that_configuration_decides(tmp_path: Path) -> None:
    project = make(tmp_path, {"main.py": BRANCHES})
    assert paths(project, False) == ["/api/always"]
    assert paths(project, True) == ["/debug", "/admin", "/no-admin", "/late", "/extra/debug", "/chosen/debug"]
    assert unknown(project) == [("main.py", 31)]  # the branch that never runs


def test_alternatives(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
                from fastapi import APIRouter, FastAPI
                from somewhere import new

                prefix = "/new" if new() else "/old"
                router = APIRouter(prefix=f"{prefix}/items")

                @router.get("/x")
                def x(): ...

                app = FastAPI()
                app.include_router(router)
            """
        },
    )
    assert paths(project, True) == ["/new/items/x", "/old/items/x"]
    assert unknown(project) == []


def test_optional_imports(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
                from fastapi import APIRouter, FastAPI
                app = FastAPI()
                try:
                    from enterprise.routes import router
                except ImportError:
                    router = APIRouter()
                    @router.get("/plain")
                    def plain(): ...
                try:
                    from own import router as own
                except ImportError:
                    own = None
                app.include_router(router)
                app.include_router(own)
            """,
            "own.py": "from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/own')\ndef own(): ...\n",
        },
    )
    assert paths(project, False) == ["/own"]
    assert paths(project, True) == ["/plain"]
    assert unknown(project) == [("main.py", 14)]


def test_what_is_not_known_is_listed(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
                import os
                from fastapi import APIRouter, FastAPI
                from fastcrud import crud_router
                from somewhere import handler, make

                app = FastAPI()
                app.include_router(crud_router(), prefix="/auth")
                app.add_api_route(os.environ["PATH_OF_IT"], lambda: 1)
                app.add_api_route("/x", handler)
                app.include_router(APIRouter(), prefix=make())
                app.mount(make(), FastAPI())

                def never_called(router: APIRouter):
                    router.include_router(APIRouter())
                    @router.get("/hidden")
                    def hidden(): ...
            """
        },
    )
    assert project.routes == []
    assert [line for _, line in unknown(project)] == [8, 9, 10, 11, 12, 15, 16]
    assert "fastcrud" in project.route_map.unknown[0].why
    assert (project.route_map.known, project.route_map.candidates) == (0, 7)


def test_other_libraries_have_get_too(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
                import httpx, redis
                from flask import Flask
                from fastapi import FastAPI
                app, web, client = FastAPI(), Flask("x"), httpx.Client()

                @web.get("/flask")
                def flask(): ...

                @app.get("/x")
                def x():
                    client.get("/y")
                    redis.Redis().get("/z")
            """
        },
    )
    assert paths(project) == ["/x"]
    assert unknown(project) == []


def test_a_factory_nobody_calls(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "pkg/app.py": """
                from fastapi import APIRouter, FastAPI

                def inner() -> FastAPI:
                    app = FastAPI()
                    @app.get("/x")
                    def x(): ...
                    return app

                def create_app() -> FastAPI:
                    app = inner()
                    app.add_api_route("/y", create_app)
                    return app

                def needs(settings) -> FastAPI:
                    app = FastAPI()
                    app.add_api_route("/z", create_app)
                    return app
            """,
            "pkg/__init__.py": "",
        },
    )
    assert paths(project, False) == ["/x", "/y"]
    assert paths(project, True) == ["/z"]
    assert {r.app for r in project.routes} == {"pkg.app:inner", "pkg.app:needs"}


def test_registered_when_the_server_starts(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
                from contextlib import asynccontextmanager
                from fastapi import APIRouter, FastAPI
                router = APIRouter()
                @router.get("/late")
                def late(): ...
                @asynccontextmanager
                async def lifespan(app: FastAPI):
                    app.include_router(router)
                    yield
                app = FastAPI(lifespan=lifespan)
                @app.on_event("startup")
                def start():
                    app.add_api_route("/later", late)
                if settings.extra:
                    @app.on_event("startup")
                    def start_extra():
                        app.add_api_route("/extra", late)
            """
        },
    )
    assert {r.path: r.conditional for r in project.routes} == {"/late": False, "/later": False, "/extra": True}
    assert {r.lifespan.name for r in project.route_map.apps if r.lifespan} == {"lifespan"}


def test_orphan_routers_are_known_but_not_served(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
                from fastapi import APIRouter, FastAPI
                app, used, orphan = FastAPI(), APIRouter(), APIRouter(prefix="/orphan")
                @orphan.get("/x")
                def x(): ...
                app.include_router(used)
            """
        },
    )
    assert project.routes == []
    assert [(r.prefix, r.served, r.routes) for r in project.route_map.routers] == [("", True, 0), ("/orphan", False, 1)]


def test_routers_without_an_application(tmp_path: Path) -> None:
    files = {
        "api.py": "from fastapi import APIRouter\nrouter = APIRouter(prefix='/a')\n@router.get('/x')\ndef x(): ...\n"
    }
    project = make(tmp_path, files)
    assert [(r.app, r.path) for r in project.routes] == [("api:router", "/a/x")]


def test_applications(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
                from fastapi import FastAPI
                from fastapi.middleware.cors import CORSMiddleware
                from starlette.middleware import Middleware

                class Error(Exception): ...
                class Timing: ...

                app = FastAPI(debug=True, docs_url=None, middleware=[Middleware(Timing)])
                app.add_middleware(CORSMiddleware, allow_origins=["*"])

                @app.middleware("http")
                async def log(request, call_next): ...

                @app.exception_handler(Error)
                def on_error(request, error): ...

                app.mount("/app", FastAPI(title="sub"))
            """
        },
    )
    main, sub = project.route_map.apps
    assert (main.name, main.place.line, main.kwargs["debug"], main.mounted) == ("main:app", 9, True, False)
    assert [m.place.line for m in main.middleware] == [9, 10, 12]
    assert [call_name(h.exception) for h in main.exception_handlers] == ["main.Error"]
    assert sub.mounted and main.call is not None and main.call.keywords[0].arg == "debug"


VERSIONS = {
    "main.py": """
        from fastapi import APIRouter, FastAPI
        app, router = FastAPI(), APIRouter()
        @router.get("/before")
        def before(): ...
        app.include_router(router)
        @router.get("/after")
        def after(): ...
    """
}


@pytest.mark.parametrize(("requirement", "expected"), [("fastapi==0.115.0", 1), ("fastapi>=0.137", 2), ("", 2)])
def test_before_0_137_an_include_copies(tmp_path: Path, requirement: str, expected: int) -> None:
    project = make(tmp_path, {**VERSIONS, "requirements.txt": requirement})
    assert len(project.routes) == expected


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "(" * 60 + "1" + ")" * 60,
        "def f(): return f()\nf()",
        "while True: x = 1",
        "x = [0] * 10**9",
        "x = 'a' * 10**9 + 'b' * 10**9",
        "x = 2 ** 10 ** 10",
        "class A(A): ...\nclass B(B, metaclass=C): ...",
        "from main import *\nfrom main import app as other",
        "for i in range(10**9):\n    app.get(f'/{i}')(f)\ndef f(): ...",
        "app.include_router(app)\napp.mount('/x', app)\napp.router.include_router(app.router)",
        "x: list = []\nx.append(x)\nfor y in x: x.append(y)\n@app.get(x)\ndef g(): ...",
        "x = {1: 2, **x}\nx = [*x, *y]",
        "@app.get('/' + str(app))\ndef g(a=Depends(g), b: 'int[' = 1): ...",
        "a = 1\n" + "".join(f"a{i} = lambda x=a{i}: a{i}(x)\n" for i in range(50)) + "a1()",
        "x = '{:>1000000000}'.format(1) + 'x'.ljust(10**9)",
        "app.get()(1)\napp.add_api_route()\napp.include_router()\napp.mount()\napp.websocket()(2)\napp.exception_handler()(3)",
        "del app.router.routes\napp.routes = 3\napp.router = None\napp.dependencies = 1",
    ],
)
def test_no_input_breaks_it(tmp_path: Path, text: str) -> None:
    head = "from fastapi import Depends, FastAPI\napp = FastAPI()\n"
    tail = "\n@app.get('/end')\ndef end(): ...\n"
    project = make(tmp_path, {"main.py": head + text + tail})
    assert "/end" in [r.path for r in read_routes(project).routes]


def test_deep_nesting_costs_only_itself(tmp_path: Path) -> None:
    deep = "x = " + "[" * 90 + "]" * 90 + "\ny = " + " + ".join(["1"] * 2000) + "\n" + "def f0(): ...\n"
    deep += "".join(f"def f{i}(): return f{i - 1}()\n" for i in range(1, 400)) + "f399()\n"
    text = f"from fastapi import FastAPI\napp = FastAPI()\n{deep}@app.get('/end')\ndef end(): ...\n"
    assert paths(make(tmp_path, {"main.py": text})) == ["/end"]


def test_includes_that_multiply(tmp_path: Path) -> None:
    text = "from fastapi import APIRouter, FastAPI\napp = FastAPI()\nr0 = APIRouter()\n"
    text += "".join(f"r{i} = APIRouter()\n" + f"r{i}.include_router(r{i - 1})\n" * 3 for i in range(1, 30))
    project = make(tmp_path, {"main.py": text + "app.include_router(r29)\n@app.get('/end')\ndef end(): ...\n"})
    assert len(project.routes) <= 1


def test_modules_run_once_and_in_the_order_of_imports(tmp_path: Path) -> None:
    files = {
        f"pkg/m{i}.py": f"from pkg.m{i + 1} import router\n@router.get('/{i}')\ndef f{i}(): ...\n" for i in range(150)
    }
    files["pkg/m150.py"] = "from fastapi import APIRouter\nrouter = APIRouter()\n"
    files["pkg/__init__.py"] = ""
    files["main.py"] = (
        "from fastapi import FastAPI\nfrom pkg.m0 import router\napp = FastAPI()\napp.include_router(router)\n"
    )
    project = make(tmp_path, files)
    assert paths(project) == [f"/{i}" for i in range(149, -1, -1)]


FILTERED = """
    from fastapi import APIRouter, FastAPI, HTTPException
    from elsewhere import wanted
    app = FastAPI()
    router = APIRouter()
    @router.get("/a", responses={418: {}})
    def a() -> int:
        raise HTTPException(404)
    app.include_router(router)
    app.router.routes = [route for route in app.router.routes if route.path in wanted]
"""


def test_an_endpoint_wrapped_by_what_is_not_known_stays(tmp_path: Path) -> None:
    text = """
        from fastapi import FastAPI
        from tracing import traced
        app = FastAPI()
        @app.get("/x")
        def x(): ...
        for route in app.routes:
            route.endpoint = traced(route.endpoint, app=app)
    """
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert route.handler == "main.x"


def test_routes_filtered_by_an_unknown_condition(tmp_path: Path) -> None:
    project = make(tmp_path, {"main.py": FILTERED})
    assert [entry.kind for entry in project.route_map.apps[0].state.registered] == ["include"]
    for check in CHECKS:
        if check.dimension.module == "api_design":
            list(check.function(project))


def test_a_factory_that_imports_another_under_a_new_name_is_the_outer_one(tmp_path: Path) -> None:
    base = """
        from fastapi import APIRouter, FastAPI
        router = APIRouter()
        @router.get("/base")
        def read_base(): ...
        def create_app() -> FastAPI:
            app = FastAPI()
            app.include_router(router)
            return app
    """
    paid = """
        from fastapi import APIRouter, FastAPI
        from shop.main import create_app as create_base
        router = APIRouter()
        @router.get("/paid")
        def read_paid(): ...
        def create_app() -> FastAPI:
            app = create_base()
            app.include_router(router)
            return app
    """
    tree = {"shop/__init__.py": "", "shop/main.py": base, "paid/__init__.py": "", "paid/main.py": paid}
    project = make(tmp_path, tree)
    assert sorted(paths(project)) == ["/base", "/paid"]
    assert unknown(project) == []


def test_routes_of_a_router_that_no_application_includes_are_candidates(tmp_path: Path) -> None:
    source = """
        from fastapi import APIRouter, FastAPI
        app = FastAPI()
        router = APIRouter()
        @app.get("/served")
        def served(): ...
        @router.get("/lost")
        def lost(): ...
        @router.websocket("/lost-too")
        async def lost_too(socket): ...
    """
    found = make(tmp_path, {"main.py": source}).route_map
    assert (found.known, found.candidates) == (1, 3)
    assert {(u.path, u.why) for u in found.unknown} == {("main.py", "no application was seen to include its router")}


def test_traits_are_settings(tmp_path: Path) -> None:
    text = """
        from fastapi import APIRouter, FastAPI
        from traitlets import Bool, Enum, Type, Unicode
        from traitlets.config import Application

        class Users:
            def __init__(self):
                self.router = APIRouter()
                self.router.add_api_route("/me", self.me)

            def me(self): ...

        class Server(Application):
            prefix = Unicode("/", help="where", config=True)
            enabled = Bool(True, config=True)
            kind = Enum(["a", "b"], default_value="b", config=True)
            users_class = Type(default_value=Users, config=True)

            def initialize(self):
                self.users = self.users_class()

            def make(self):
                app = FastAPI()
                if self.enabled:
                    app.include_router(self.users.router, prefix=self.prefix.rstrip("/"))
                app.include_router(Users().router, prefix=f"/{self.kind}")
                return app

            def start(self):
                self.initialize()
                self.make()
    """
    project = make(tmp_path, {"main.py": text})
    assert paths(project) == ["/me", "/b/me"]
    assert unknown(project) == []


def test_plugins_of_other_packages_are_named_as_such(tmp_path: Path) -> None:
    text = """
        from importlib.metadata import entry_points
        from fastapi import APIRouter, FastAPI
        router = APIRouter()
        @router.get("/own")
        def own(): ...
        plugins = [entry.load() for entry in entry_points().select(group="shop.routers")]
        app = FastAPI()
        for one in [router] + plugins:
            app.include_router(one)
        for entry in entry_points(group="shop.more"):
            app.include_router(entry.load().router, prefix="/more")
    """
    project = make(tmp_path, {"main.py": text})
    assert [(r.path, r.conditional) for r in project.routes] == [("/own", False)]
    assert [(u.line, u.why) for u in project.route_map.unknown] == [
        (10, 'it includes routers of plugins, which the packages installed name ("shop.routers")'),
        (12, 'it includes routers of plugins, which the packages installed name ("shop.more")'),
    ]


def test_an_attribute_that_either_branch_sets(tmp_path: Path) -> None:
    text = """
        from fastapi import APIRouter, FastAPI
        import configuration

        class Login:
            enabled = False

            def __init__(self, path):
                self.router = APIRouter()
                self.router.add_api_route(path, self.login)
                self.configure(configuration.section(path))

            def configure(self, section):
                if section.complete:
                    self.enabled = True
                else:
                    self.enabled = False

            def login(self): ...

        class Always(Login):
            def configure(self, section):
                self.enabled = True

        class Sometimes(Login):
            def configure(self, section):
                if section.complete:
                    self.enabled = True

        app = FastAPI()
        for login in (Login("/a"), Always("/b"), Sometimes("/c")):
            if login.enabled:
                app.include_router(login.router)
    """
    project = make(tmp_path, {"main.py": text})
    assert {r.path: r.conditional for r in project.routes} == {"/a": True, "/b": False, "/c": True}


def test_a_class_whose_field_makes_the_application(tmp_path: Path) -> None:
    text = """
        import attr
        from fastapi import APIRouter, FastAPI

        @attr.s
        class Api:
            client = attr.ib()
            app: FastAPI = attr.ib(default=attr.Factory(lambda self: FastAPI(title=self.client.title), takes_self=True))

            def __attrs_post_init__(self):
                self.app.add_api_route("/health", self.health)

            def health(self): ...
    """
    project = make(tmp_path, {"library.py": text})
    assert [(r.path, r.handler) for r in project.routes] == [("/health", "library.Api.health")]
    assert unknown(project) == []


def test_a_default_of_getattr_leaves_open_what_an_unknown_object_has(tmp_path: Path) -> None:
    text = """
        from fastapi import APIRouter, FastAPI

        def items() -> APIRouter:
            router = APIRouter()
            @router.get("/items")
            def read_items(): ...
            return router

        def create_app(store) -> FastAPI:
            consumer = getattr(store.config, "consumer", None)
            if isinstance(consumer, dict):
                consumer = dict(consumer)
            elif not hasattr(consumer, "enabled"):
                raise ValueError("consumer is not known")
            if consumer is None or not consumer.enabled:
                raise ValueError("consumer must be enabled")
            app = FastAPI()
            app.include_router(items(), prefix=getattr(store.config, "prefix", "/v1"))
            return app
    """
    project = make(tmp_path, {"main.py": text})
    assert paths(project) == ["/v1/items"]
    assert unknown(project) == []


def test_settings_with_a_constructor_of_their_own(tmp_path: Path) -> None:
    text = """
        from fastapi import APIRouter, FastAPI
        from pydantic import Field
        from pydantic_settings import BaseSettings

        class Settings(BaseSettings):
            prefix: str = Field(default="/v1", description="where")
            plain: str = "/plain"

            def __init__(self, **given):
                super().__init__(**given)
                if not self.prefix:
                    self.prefix = "/"

        class Lazy:
            def __getattr__(self, key):
                return getattr(Settings(), key)

        router = APIRouter()
        @router.get("/x")
        def x(): ...
        app, settings = FastAPI(), Lazy()
        app.include_router(router, prefix=settings.prefix)
        app.include_router(router, prefix=settings.plain)
    """
    project = make(tmp_path, {"main.py": text})
    assert paths(project) == ["/v1/x", "/plain/x"]
    assert unknown(project) == []


def test_what_a_third_party_class_derives_from_is_not_known(tmp_path: Path) -> None:
    text = """
        from fastapi import APIRouter, FastAPI
        from library import Base

        class Thing(Base): ...
        class Plain: ...

        app = FastAPI()
        things = APIRouter()
        @things.get("/things")
        def read_things(): ...
        others = APIRouter()
        @others.get("/others")
        def read_others(): ...
        if issubclass(Thing, APIRouter):
            app.include_router(things)
        if issubclass(Plain, APIRouter):
            app.include_router(others)
    """
    project = make(tmp_path, {"main.py": text})
    assert paths(project, conditional=True) == ["/things"]
    assert paths(project, conditional=False) == []
