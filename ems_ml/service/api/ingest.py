"""Where errors come in: Sentry's envelope and store endpoints, and pytest's report logs.

A 200 means that the errors are parsed, redacted and committed to the inbox. Requests without a good key are refused
before their body is looked into, and count nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ems_ml.build import (
    Envelope,
    System,
    decompress,
    parse_envelope,
    parse_event,
    public_key,
    reports_of_lines,
    sentry_report,
)
from ems_ml.errors import InputError, TooLarge
from ems_ml.service import inbox, keys
from ems_ml.service.api.guard import body_of, problem

UNPACKED = 100_000_000  # bytes of one request after decompression, as in Sentry's relay
RETRY = 30  # seconds that an overloaded server asks clients to wait

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "x-sentry-auth, x-requested-with, origin, accept, content-type, authentication, "
    "authorization, content-encoding, transfer-encoding, sentry-trace, baggage",
    "Access-Control-Expose-Headers": "x-sentry-error, x-sentry-rate-limits, retry-after",
    "Access-Control-Max-Age": "3600",
}

Endpoint = Callable[[Request], Awaitable[Response]]


def endpoints(system: System) -> dict[str, Endpoint]:
    """The ingest endpoints by the last part of their path."""
    gauge = inbox.Gauge(system, system.settings.max_backlog)
    return {
        "envelope": _ingest(system, gauge, _envelope),
        "store": _ingest(system, gauge, _store),
        "pytest": _ingest(system, gauge, _pytest),
    }


async def preflight(_: Request) -> Response:
    """Any page may send its errors, as with Sentry."""
    return Response(status_code=200, headers=CORS)


Handler = Callable[[System, str, bytes, bool], Response]


def _ingest(system: System, gauge: inbox.Gauge, handle: Handler) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        answer = await _answer(system, gauge, handle, request)
        answer.headers.update(CORS)
        return answer

    return endpoint


async def _answer(system: System, gauge: inbox.Gauge, handle: Handler, request: Request) -> Response:
    """Key, body, decompression, then the handler; what goes wrong is told as Sentry's clients read it."""
    path = request.path_params["project"]
    try:
        said = _said_key(request)
        if said:
            await run_in_threadpool(keys.project_of, system, said, "ingest", path=path)
    except InputError as error:
        return problem(400, str(error))
    except keys.Denied as error:
        return problem(403, str(error))
    try:
        raw = await body_of(request, system.settings.max_request_bytes)
        return await run_in_threadpool(_work, system, gauge, handle, request, raw, said)
    except keys.Denied as error:
        return problem(403, str(error))
    except InputError as error:  # also TooLarge; counted only for who has a key
        too_large = isinstance(error, TooLarge)
        if said:
            await run_in_threadpool(inbox.count_refused, system, "too_large" if too_large else "unreadable")
        return problem(413 if too_large else 400, str(error), causes=[error.hint] if error.hint else [])


def _work(system: System, gauge: inbox.Gauge, handle: Handler, request: Request, raw: bytes, said: str) -> Response:
    body = decompress(raw, request.headers.get("content-encoding", ""), limit=UNPACKED)
    if not said or handle is _envelope:
        said = _key_within(request, body, said)
    project = keys.project_of(system, said, "ingest", path=request.path_params["project"])
    return handle(system, project, body, gauge.overloaded())


def _said_key(request: Request) -> str:
    """The key outside of the body: Sentry's header or query, or a bearer token. Raises `InputError` on a conflict."""
    found = public_key(header=request.headers.get("x-sentry-auth"), query=dict(request.query_params))
    return found or bearer(request)


def bearer(request: Request) -> str:
    """The token of `Authorization: Bearer`, "" without."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _key_within(request: Request, body: bytes, said: str) -> str:
    """The key, with the one in the envelope's header taken into account. Raises `InputError` on a conflict."""
    header = parse_envelope(body.partition(b"\n")[0]).header if body.startswith(b"{") else {}
    within = public_key(header=request.headers.get("x-sentry-auth"), query=dict(request.query_params), envelope=header)
    return within or said


def _envelope(system: System, project: str, body: bytes, overloaded: bool) -> Response:
    envelope: Envelope = parse_envelope(body)
    for reason, number in envelope.lost.items():
        inbox.count_lost(system, reason, number)
    reports = envelope.reports(project=project)
    if reports and overloaded:
        return _overloaded(system, envelope.id, len(reports))
    accepted = inbox.accept(system, reports)
    return JSONResponse({"id": accepted.ids[0] if accepted.ids else envelope.id})


def _store(system: System, project: str, body: bytes, overloaded: bool) -> Response:
    report = sentry_report(parse_event(body), project=project)
    if overloaded:
        return _overloaded(system, report.id, 1)
    return JSONResponse({"id": inbox.accept(system, [report]).ids[0]})


def _pytest(system: System, project: str, body: bytes, overloaded: bool) -> Response:
    found = list(reports_of_lines(body.decode("utf-8", "replace").splitlines(), project=project))
    if found and overloaded:
        return _overloaded(system, "", len(found))
    accepted = inbox.accept(system, found)
    return JSONResponse({"accepted": list(accepted.ids), "problems": list(accepted.problems)})


def _overloaded(system: System, id: str, number: int) -> Response:
    """Told by a rate limit on a 200, which pauses only errors and keeps the client's own reports flowing."""
    inbox.count_refused(system, "overloaded", number)
    return JSONResponse(
        {"id": id}, headers={"X-Sentry-Rate-Limits": f"{RETRY}:error:project:overloaded", "Retry-After": str(RETRY)}
    )
