"""What stands before every endpoint: headers, bounded bodies, keys, and errors without stack traces."""

from __future__ import annotations

import logging
from collections.abc import Iterable, MutableMapping
from importlib.metadata import version
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ems_ml.errors import EmsError, InputError, LostRace, NotFound, TooLarge, UsageError

log = logging.getLogger(__name__)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",  # Sentry's browser client posts from any page
    "Cache-Control": "no-store",
}
STATUS: tuple[tuple[type[EmsError], int], ...] = (
    (TooLarge, 413),
    (InputError, 400),
    (UsageError, 400),
    (NotFound, 404),
    (LostRace, 409),
)


class Guarded:
    """Puts the security headers on every answer; what is raised becomes JSON, and its stack stays in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.headers = HEADERS | {"X-EMS": version("ems-ml")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers[name] = value
            await send(message)

        try:
            await self.app(scope, receive, send_guarded)
        except ClientDisconnect:
            log.info("a client went away before its request was read")
        except Exception:  # the last resort: the client learns that it failed, the log learns why
            log.exception("request failed: %s %s", scope["method"], scope["path"])
            if begun:
                raise
            answer = problem(500, "something went wrong inside; the log says what")
            await answer(scope, receive, send_guarded)


def problem(
    status: int, detail: str, *, causes: Iterable[str] = (), headers: MutableMapping[str, str] | None = None
) -> JSONResponse:
    """An error as Sentry's clients and ours read it: `detail`, `causes`, and the header `X-Sentry-Error`."""
    plain = " ".join(detail.split()).encode("ascii", "replace").decode()[:500]
    return JSONResponse(
        {"detail": detail, "causes": list(causes)}, status, headers={"X-Sentry-Error": plain, **(headers or {})}
    )


def refused(error: EmsError) -> Response:
    """An error of ours as an answer; one that is not the client's fault is told as 503, without its inside."""
    for kind, status in STATUS:
        if isinstance(error, kind):
            return problem(status, str(error), causes=[error.hint] if error.hint else [])
    log.error("%s (%s)", error, error.hint)
    return problem(503, "the service cannot answer now; its log says why", headers={"Retry-After": "10"})


async def on_error(_: Request, error: Exception) -> Response:
    """The handler for `EmsError`."""
    assert isinstance(error, EmsError)
    return refused(error)


async def body_of(request: Request, limit: int) -> bytes:
    """The request's body. Raises `TooLarge` as soon as it is longer than `limit` bytes."""
    too_large = TooLarge(f"the request has more than {limit} bytes", hint="send less at once")
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > limit:
        raise too_large
    parts = bytearray()
    async for chunk in request.stream():
        parts += chunk
        if len(parts) > limit:
            raise too_large
    return bytes(parts)


def json_object(value: Any) -> dict[str, Any]:
    """A decoded body that has to be an object. Raises `InputError`."""
    if not isinstance(value, dict):
        raise InputError("the body is not a JSON object", hint='send an object such as {"text": "..."}')
    return value


def text_field(body: dict[str, Any], name: str, default: str | None = None) -> str:
    """A string in a body. Raises `InputError` where it is missing and has no default, or is something else."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise InputError(f'"{name}" is missing or is not a string', hint=f'send {{"{name}": "..."}}')
    return value
