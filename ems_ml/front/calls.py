"""The functions of the front door. scikit-learn is not loaded here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ems_ml.build.system import System, build
from ems_ml.errors import InputError
from ems_ml.ingest.files import shorten
from ems_ml.pipeline import problem_to_json, result_to_json
from ems_ml.settings import Settings, load_settings
from ems_ml.types import Pattern, Problem, RawReport

if TYPE_CHECKING:
    from ems_ml.store import SqlStore


def open_store(url: str = "") -> SqlStore:
    """The patterns and events that were recorded; close it, or use it in a `with` statement.

    url: SQLAlchemy's; empty: the database that the settings name; `sqlite://`: a new one in memory. The database is
    made or migrated where needed. Raises `StoreError` where it cannot be opened.

    >>> with open_store("sqlite://") as store:
    ...     store.patterns(), store.events.count()
    ([], 0)
    """
    return _system(url).store


@overload  # a text is itself an iterable of texts, which the second signature would take
def classify(  # type: ignore[overload-overlap]
    text: str, *, project: str = ..., url: str = ..., source: str | Path | None = ..., record: bool = ...
) -> dict[str, Any]: ...


@overload
def classify(
    text: Iterable[str], *, project: str = ..., url: str = ..., source: str | Path | None = ..., record: bool = ...
) -> list[dict[str, Any]]: ...


def classify(
    text: str | Iterable[str],
    *,
    project: str = "default",
    url: str = "",
    source: str | Path | None = None,
    record: bool = True,
) -> dict[str, Any] | list[dict[str, Any]]:
    """What `ems classify --json` answers for a report's text, or a list of that for several texts.

    project: whose errors these are. url: the store (see `open_store`). source: a folder whose code fills in the
    source lines that a trace lacks. record: False answers without storing the error. Several texts are answered in
    order in one go, which is much faster than a call for each; one that cannot be answered gives {"id", "problem"}.
    Raises `InputError` for a text without words, `ModelError`, `StoreError`.

    >>> trace = '''Traceback (most recent call last):
    ...   File "shop/prices.py", line 3, in price_of
    ...     return prices[name]
    ... KeyError: 'tea'
    ... '''
    >>> answer = classify(trace, url="sqlite://")
    >>> answer["error"]["type"], answer["pattern"]["decision"]
    ('KeyError', 'new')
    >>> round(sum(strategy["probability"] for strategy in answer["strategies"]), 3)
    1.0
    >>> [one["pattern"]["decision"] for one in classify([trace, trace], url="sqlite://")]
    ['new', 'joined']
    """
    with _system(url) as system:
        line = system.line(source=None if source is None else Path(source), record=record)
        if isinstance(text, str):
            return result_to_json(line.process(_report(text, project, system.settings)))
        reports = [_report(one, project, system.settings) for one in text]
        answers = line.process_many(reports)
        return [problem_to_json(one) if isinstance(one, Problem) else result_to_json(one) for one in answers]


def patterns(project: str | None = None, *, url: str = "") -> list[Pattern]:
    """The recorded patterns, the one with the newest event first; `pandas.DataFrame(patterns())` makes a table.

    project: whose; None: everybody's. url: the store (see `open_store`).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     url = f"sqlite:///{folder}/ems.db"
    ...     _ = classify("ValueError: no such size", url=url)
    ...     [(pattern.type, pattern.count) for pattern in patterns(url=url)]
    [('ValueError', 1)]
    """
    with open_store(url) as store:
        return store.patterns(project)


def _system(url: str) -> System:
    return build(load_settings(database_url=url) if url else load_settings())


def _report(text: str, project: str, settings: Settings) -> RawReport:
    if not text.strip():
        raise InputError("the text holds no error", hint="give a report of something that failed")
    return RawReport(text=shorten(text, settings.max_report_bytes)[0], project=project, source="python")
