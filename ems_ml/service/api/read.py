"""The API for programs of ours: classify, patterns, decisions. Every endpoint wants `Authorization: Bearer KEY`."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ems_ml.build import System
from ems_ml.errors import InputError, NotFound
from ems_ml.service import app, keys, present
from ems_ml.service.api.guard import body_of, json_object, text_field
from ems_ml.service.api.ingest import bearer
from ems_ml.types import PatternStatus

BODY = 5_000_000  # bytes of one request


def router(system: System) -> APIRouter:
    """The endpoints below `/api/v1`."""
    api = APIRouter(prefix="/api/v1")

    def project(request: Request, scope: str) -> str:
        return keys.project_of(system, bearer(request), scope)

    def own(request: Request, scope: str, pattern: str) -> None:
        """Raises `NotFound` for a pattern of another project, as if it did not exist."""
        mine = project(request, scope)
        if system.store.pattern(pattern).project != mine:
            raise NotFound(f"there is no pattern {pattern}", hint="GET /api/v1/patterns lists those there are")

    async def body(request: Request) -> dict[str, Any]:
        raw = await body_of(request, BODY)
        if not raw:
            return {}
        try:
            return json_object(json.loads(raw))
        except (ValueError, RecursionError) as error:
            raise InputError(f"the body is not JSON: {error}", hint='send an object such as {"text": "..."}') from error

    @api.post("/classify")
    async def classify(request: Request) -> JSONResponse:
        """`{"text", "id"?, "record"?}` -> the same JSON as `ems classify --json`. Scope: write, or ingest."""
        mine = await run_in_threadpool(project, request, "ingest")
        given = await body(request)
        record = given.get("record", True)
        if not isinstance(record, bool):
            raise InputError('"record" is not true or false', hint="leave it out to record the error")
        answer = await run_in_threadpool(
            app.classify_text,
            system,
            text_field(given, "text"),
            project=mine,
            record=record,
            source="api",
            id=text_field(given, "id", ""),
        )
        return JSONResponse(dict(answer.json))

    @api.get("/patterns")
    def patterns(
        request: Request,
        search: Annotated[str, Query(max_length=1000)] = "",
        status: PatternStatus | None = None,
        sort: app.Sort = "last_seen",
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> JSONResponse:
        """The patterns of the key's project. Scope: read."""
        mine = project(request, "read")
        page = app.list_patterns(
            system, search=search, status=status, project=mine, sort=sort, limit=limit, offset=offset
        )
        return JSONResponse({"total": page.total, "patterns": [present.row(row) for row in page.rows]})

    @api.get("/patterns/{pattern}")
    def show(request: Request, pattern: str, events: Annotated[int, Query(ge=0, le=1000)] = 50) -> JSONResponse:
        """One pattern with its events. Scope: read."""
        own(request, "read", pattern)
        return JSONResponse(present.detail(app.pattern_detail(system, pattern, events=events)))

    @api.post("/patterns/{pattern}/{action}")
    async def decide(request: Request, pattern: str, action: str) -> JSONResponse:
        """merge `{"into"}`, split `{"events"}`, apart `{"other"}`, resolve, ignore, reopen. Scope: write."""
        await run_in_threadpool(own, request, "write", pattern)
        if action not in app.ACTIONS:
            raise NotFound(f"there is no action {action!r}", hint=f"use one of {', '.join(app.ACTIONS)}")
        given = await body(request)
        other = text_field(given, {"merge": "into", "apart": "other"}[action]) if action in ("merge", "apart") else ""
        if other:
            await run_in_threadpool(own, request, "write", other)
        events = given.get("events", []) if action == "split" else []
        if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
            raise InputError('"events" is not a list of ids', hint='send {"events": ["..."]}')
        row = await run_in_threadpool(app.decide, system, action, pattern, other=other, events=tuple(events), by="api")
        return JSONResponse(present.row(row))

    return api
