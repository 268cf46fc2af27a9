from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.routing import APIRoute

from app.error_handlers import register_error_handlers
from app.lifespan import make_lifespan
from app.middleware import RequestIdMiddleware
from app.routers import api, health
from app.settings import Settings


def operation_id(route: APIRoute) -> str:
    """Handler names are unique in this project, so generated clients get short method names."""
    return f"{route.tags[0]}-{route.name}"


def create_app(settings: Settings) -> FastAPI:
    app = FastAPI(
        title="Library API",
        description="Catalogue, loans and holds of a lending library.",
        version="1.4.0",
        debug=settings.debug,
        openapi_url="/openapi.json" if settings.docs_enabled else None,
        lifespan=make_lifespan(settings),
        max_body_size=1_000_000,
        generate_unique_id_function=operation_id,
    )
    register_error_handlers(app)
    app.include_router(health.router)
    app.include_router(api.router)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_middleware(RequestIdMiddleware)
    # Added last, so it is outermost and also covers what the others answer.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_credentials=True,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type"],
    )
    return app
