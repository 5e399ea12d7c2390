"""The parts of the page System that are not the checks."""

from __future__ import annotations

import streamlit as st

from ems_ml.service.dashboard.components import heading, meters, note, table
from ems_ml.service.dashboard.markup import show, tag
from ems_ml.service.dashboard.phrases import percent, size
from ems_ml.service.dashboard.state import system
from ems_ml.service.views import Resources

SECRET = "database_url"  # may hold a password


def machine(use: Resources) -> None:
    """Processor, memory, disk."""
    with st.container(key="card-machine"):
        heading("Machine")
        meters(
            [
                ("Processor", use.cpu, percent(use.cpu)),
                ("Memory", use.memory_used / use.memory_total, f"{size(use.memory_used)} of {size(use.memory_total)}"),
                ("Disk", use.disk_used / use.disk_total, f"{size(use.disk_free)} free"),
            ]
        )


def reachable() -> None:
    """How errors get in."""
    settings = system().settings
    with st.container(key="card-doors"):
        heading("How errors get in")
        note("Make a key; it prints the address (DSN) that any Sentry client takes:")
        st.code("ems key add default", language="bash")
        note("Or hand over a file, a log, or a pytest report:")
        st.code("ems classify trace.txt", language="bash")
        show(tag("p", "API: ", tag("span", f"http://{settings.host}:{settings.port}", cls="ems-mono"), cls="ems-note"))


def settings() -> None:
    """The settings in force; a password is not shown."""
    with st.container(key="card-settings"):
        heading("Settings", "from ems.toml and EMS_*")
        values = system().settings.model_dump(mode="json")
        rows = [(name, tag("span", _shown(name, value), cls="ems-mono")) for name, value in values.items()]
        show(table(("name", "value"), rows))


def _shown(name: str, value: object) -> str:
    if name in (SECRET, "tracking_uri") and "@" in str(value):
        return str(value).split("://", 1)[0] + "://..."
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return str(value) if value not in ("", None) else "-"
