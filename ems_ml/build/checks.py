"""The doctor's checks of an installation, with what each room can tell about itself."""

from __future__ import annotations

from functools import partial

from ems_ml.build.models import MODELS, lessons_in_use, load_lessons, model_folders
from ems_ml.build.system import build
from ems_ml.errors import EmsError, ModelError
from ems_ml.manifest import find_model
from ems_ml.monitor import health
from ems_ml.monitor.types import Check, State
from ems_ml.normalize import StackRules
from ems_ml.settings import Settings


def examine(settings: Settings) -> tuple[Check, ...]:
    """Look at everything once. Nothing is made that is not there, except the database, as with any command."""
    return (
        health.python(),
        health.data_folder(settings.home),
        health.disk(settings.home),
        *(health.asked(f"model: {name}", partial(_model, settings, name)) for name in MODELS),
        health.asked("decisions learned", partial(_lessons, settings), state=State.WARN),
        health.asked("in-app rules", partial(_rules, settings)),
        *_store(settings),
        health.api(settings.host, settings.port),
        health.tool(("git",), needed_for="`ems fix`", remedy="install git"),
        _sandbox(),
        *health.extras(),
        health.tool(health.BROWSERS, needed_for="the browser tests", remedy="install Chromium, only to run the tests"),
    )


def _model(settings: Settings, name: str) -> str:
    entry, folder = find_model(name, model_folders(settings))
    return f"{entry.kind} {entry.version}, checksums agree, in {folder}"


def _lessons(settings: Settings) -> str:
    if lessons_in_use(settings) is None:
        return "nothing yet"
    entry, _ = find_model("grouper", model_folders(settings))
    lessons = load_lessons(settings, entry.version)
    if not lessons.version:
        raise ModelError(
            "what people decided was learned beside another grouping model and is not used",
            hint="run `ems train --decisions`",
        )
    return f"{lessons.version}, in {', '.join(sorted(lessons.shifts))}"


def _rules(settings: Settings) -> str:
    count = len(StackRules(settings.in_app))
    return f"{count} for {', '.join(sorted(settings.in_app))}" if count else "none; what is in-app is told by paths"


def _store(settings: Settings) -> tuple[Check, ...]:
    """Reachable, migrated and writable: an empty write transaction tells; then the inbox."""
    try:
        with build(settings) as system:
            with system.store.database.write():
                url = system.store.database.engine.url.render_as_string(hide_password=True)
            waiting = system.store.inbox.waiting()
    except EmsError as error:
        return (Check(name="store", state=State.FAIL, detail=str(error), remedy=error.hint),)
    return (
        Check(name="store", state=State.OK, detail=f"{url}, migrated and writable"),
        health.backlog(waiting),
    )


def _sandbox() -> Check:
    """What stands between a bounded process and this machine; a wall that is missing is a warning."""
    from ems_ml.sandbox import isolation

    found = isolation()
    if found.level == "full":
        return Check(name="sandbox", state=State.OK, detail="isolation: full")
    return Check(
        name="sandbox",
        state=State.WARN,
        detail=f"isolation: {found.level} ({'; '.join(found.why)})",
        remedy="harvest only code that you trust, or run on Linux with user namespaces",
    )
