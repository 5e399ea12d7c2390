"""The HTTP API: Sentry's ingest, pytest reports, classify, patterns and decisions, health and metrics.

`create_app(system)` is the whole application; `serve(settings)` runs it. See `docs/api/http.md`.
"""

from __future__ import annotations

from ems_ml.service.api.application import create_app, serve

__all__ = ["create_app", "serve"]
