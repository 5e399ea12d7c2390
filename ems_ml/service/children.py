"""What the supervisor starts: `python -m ems_ml.service.children api|worker|dashboard PARENT`.

Settings arrive as `EMS_*` variables (`environment`), so that every child sees the same.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

from ems_ml.errors import EmsError
from ems_ml.settings import Settings, load_settings

PR_SET_PDEATHSIG = 1


def environment(settings: Settings) -> dict[str, str]:
    """This process's environment with `settings` in it, for a child."""
    given = settings.model_dump(mode="json")
    ours = {
        f"EMS_{name.upper()}": value if isinstance(value, str) else json.dumps(value) for name, value in given.items()
    }
    ours["EMS_HOME"] = str(settings.home.absolute())
    return {**os.environ, **ours, "PYTHONUNBUFFERED": "1"}


def end_with(parent: int) -> None:
    """Have this process ended when `parent` dies, also by SIGKILL. Linux only; elsewhere it does nothing."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we could ask
        sys.exit(1)


def main(argv: list[str]) -> int:
    """Be one of the children."""
    name, parent = argv[1], int(argv[2])
    end_with(parent)
    try:
        settings = load_settings()
        if name == "api":
            from ems_ml.service.api import serve

            return serve(settings)
        if name == "worker":
            from ems_ml.service.worker import serve as work

            return work(settings)
        from ems_ml.service.dashboard import command

        argv = command(host=settings.host, port=settings.dashboard_port)
        os.execv(argv[0], argv)
    except EmsError as error:
        print(f"{error} (remedy: {error.hint})" if error.hint else str(error), file=sys.stderr, flush=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv))
