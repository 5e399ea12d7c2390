"""`ems serve`: API, worker, dashboard and monitor under one supervisor."""

from __future__ import annotations

from typing import Any

import click

from ems_ml.service.commands.common import opened
from ems_ml.service.serve import Plan, supervise


@click.command("serve", short_help="API, worker, dashboard and monitor, supervised.")
@click.option("--host", default=None, help="Address to listen on; default 127.0.0.1 (EMS_HOST).")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port of the API; default 8400 (EMS_PORT).")
@click.option(
    "--dashboard-port", type=click.IntRange(0, 65535), default=None, help="Default 8501 (EMS_DASHBOARD_PORT)."
)
@click.option("--no-dashboard", is_flag=True, help="API, worker and monitor only.")
def command(host: str | None, port: int | None, dashboard_port: int | None, no_dashboard: bool) -> int:
    """Start everything, say where it listens, and keep it alive until Ctrl-C or SIGTERM.

    A process that dies is started again, later and later while it keeps dying. Nothing is left behind at the end.
    """
    given: dict[str, Any] = {"host": host, "port": port, "dashboard_port": dashboard_port}
    with opened(process="supervisor", **{name: value for name, value in given.items() if value is not None}) as system:
        system.store.inbox.waiting()  # a store that cannot be used is told now; the children open their own
        return supervise(Plan(settings=system.settings, dashboard=not no_dashboard), say=click.echo)
