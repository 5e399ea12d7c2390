"""Putting the API together, and running it."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ems_ml.build import System, build
from ems_ml.errors import EmsError
from ems_ml.service import keys, logs
from ems_ml.service.api import ingest, metrics, read
from ems_ml.service.api.guard import Guarded, on_error, problem
from ems_ml.settings import Settings

INGEST = ("envelope", "store", "pytest")


class ReadableFrom:
    """Lets pages of the named origins use the API for programs; the ingest has its own, wider rule."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self.app = app
        self.shared = CORSMiddleware(
            app,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        programs = scope["type"] == "http" and scope["path"].startswith("/api/v1/")
        await (self.shared if programs else self.app)(scope, receive, send)


def create_app(system: System) -> ASGIApp:
    """The whole application as an ASGI callable. `system` stays the caller's to close."""
    app = FastAPI(title="EMS", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    app.add_exception_handler(keys.Denied, _denied)
    app.add_exception_handler(EmsError, on_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for name, endpoint in ingest.endpoints(system).items():
        for path in (f"/api/{{project}}/{name}", f"/{{prefix:path}}/api/{{project}}/{name}"):
            for end in ("/", ""):
                app.add_route(path + end, endpoint, methods=["POST"], include_in_schema=False)
                app.add_route(path + end, ingest.preflight, methods=["OPTIONS"], include_in_schema=False)
    app.include_router(read.router(system))

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        """Whether the store answers: 200, or 503."""
        return JSONResponse({"status": "ok", "waiting": system.store.inbox.waiting()})

    @app.get("/metrics")
    def all_metrics() -> Response:
        """Prometheus' text form."""
        return Response(metrics.text(system), media_type=metrics.CONTENT_TYPE)

    return Guarded(ReadableFrom(app, system.settings.cors_origins))


def serve(settings: Settings) -> int:
    """Run the API until it is told to stop. One process: the database is the only thing that is shared."""
    with build(settings) as system:
        logs.configure(settings, process="api", redact=system.redactor.redact_text)
        logs.follow(system.bus)
        system.store.inbox.waiting()  # a store that cannot be used is told now, not at the first request
        uvicorn.run(
            create_app(system),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    return 0


async def _denied(_: Request, error: Exception) -> Response:
    return problem(403, str(error), causes=[getattr(error, "hint", "")])


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    causes = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    return problem(400, "the request is not valid", causes=causes)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))
