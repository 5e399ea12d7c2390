"""The dashboard: a Streamlit router (`main.py`), pages without logic in `screens`, and components that only draw.

This module imports no Streamlit, so that `ems serve` can ask how to start it: `command(...)` is the whole
command line, `MAIN` the script and `streamlit_flags()` its options.
"""

from __future__ import annotations

import sys
from pathlib import Path

MAIN = Path(__file__).with_name("main.py")

THEME = {
    "base": "light",
    "primaryColor": "#0F766E",
    "backgroundColor": "#F7F8FA",
    "secondaryBackgroundColor": "#FFFFFF",
    "textColor": "#1A2233",
    "linkColor": "#0F766E",
    "borderColor": "#DFE3E9",
    "baseRadius": "8px",
    "baseFontSize": "15",
    "codeFontSize": "13px",
    "codeBackgroundColor": "#FFFFFF",
    "showWidgetBorder": "true",
    "chartCategoricalColors": '["#0F766E","#B8C0CC","#B45309","#6D5BD0"]',
}

OPTIONS = {
    "server.headless": "true",
    "server.enableCORS": "true",
    "server.enableXsrfProtection": "true",
    "server.maxUploadSize": "200",  # MB; only the page Train takes a file
    "server.maxMessageSize": "50",  # MB
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",  # the details stand in the log, not on the page
    "runner.magicEnabled": "false",
}


def streamlit_flags() -> list[str]:
    """The options for `streamlit run`: the theme, and a server that trusts nobody else's pages.

    A wheel carries no `.streamlit/config.toml`, so they are given on the command line. Address and port are
    the caller's.
    """
    options = OPTIONS | {f"theme.{name}": value for name, value in THEME.items()}
    return [f"--{name}={value}" for name, value in options.items()]


def command(*, host: str, port: int) -> list[str]:
    """What starts the dashboard in a process of its own; settings reach it through `EMS_*` variables."""
    return [
        *(sys.executable, "-m", "streamlit", "run", str(MAIN)),
        *(f"--server.address={host}", f"--server.port={port}"),
        *streamlit_flags(),
    ]


__all__ = ["MAIN", "command", "streamlit_flags"]
