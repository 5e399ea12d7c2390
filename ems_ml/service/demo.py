"""`ems demo`: trains, runs a small application into real errors, groups, ranks and repairs them. Nothing is canned.

The application is the project in `demo_shop`, copied out into a git repository of its own. Change it, and other errors
come in, other patterns are printed and other repairs are tried.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import click
import httpx

from ems_ml.build import System, build, port_free, train_models
from ems_ml.errors import MissingExtra, RepositoryError, ServiceError, UsageError
from ems_ml.service import keys, logs
from ems_ml.service.reading import pattern_detail
from ems_ml.service.serve import Addresses, Plan, running
from ems_ml.service.views import PatternDetail
from ems_ml.settings import Settings, load_settings
from ems_ml.types import Outcome, Verdict

PROJECT = "shop"
NEEDED = ("mlflow", "pytest", "pytest_reportlog", "sentry_sdk")
MARK = ".made-by-ems-demo"
REPAIRS = 6  # patterns that a repair is tried for, at most
REPAIR_SECONDS = 60.0
WAIT_SECONDS = 60.0
SHOWN = 3  # strategies shown of each pattern


@dataclass(frozen=True, slots=True)
class Shop:
    """The demo's git repository, and what its tests reported."""

    root: Path
    report_log: Path


def run(*, once: bool) -> int:
    """Do it all; stay up afterwards unless `once`. 0 where at least one error was repaired, else 1."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing or (not once and find_spec("streamlit") is None):
        raise MissingExtra(f"the demo (without {', '.join(missing) or 'streamlit'})", "demo")
    if shutil.which("git") is None:
        raise UsageError("the demo needs git, which is not on PATH", hint="install git")
    settings = load_settings()
    if once:  # it stays up for nobody, so any free port will do
        settings = settings.model_copy(update={"port": 0})
    else:
        for setting, port in (("EMS_PORT", settings.port), ("EMS_DASHBOARD_PORT", settings.dashboard_port)):
            if port and not port_free(settings.host, port):  # told now, not after the training
                raise ServiceError(
                    f"port {port} of {settings.host} is in use", hint=f"stop what uses it, or set {setting} to another"
                )
    started = time.monotonic()
    with build(settings) as system:
        logs.configure(settings, process="demo", redact=system.redactor.redact_text)
        _train(system)
    with running(Plan(settings=settings, dashboard=not once)) as addresses, build(settings) as system:
        since = datetime.now(UTC) - timedelta(seconds=2)  # clients tell the time in whole seconds
        shop = _errors_come_in(system, settings, addresses)
        details = _show_patterns(system, since)
        repaired = _repair(system, shop, details, since)
        click.echo(f"\nThat took {time.monotonic() - started:.0f} seconds.")
        if not once:
            _stay(addresses, settings)
    return 0 if repaired else 1


def _step(number: int, text: str) -> None:
    click.echo(click.style(f"\n[{number}/5] {text}", bold=True))


def _train(system: System) -> None:
    _step(1, "Training grouper and ranker on the historical errors that ship with EMS")
    trained = train_models(system, told=lambda line: click.echo(f"      {line}"))
    click.echo(f"      {trained.traces} traces of {trained.causes} faults in {', '.join(trained.packages)}")
    for figure in trained.evaluation["figures"]:
        click.echo(
            f"      {figure['name']}: {figure['value']:.2f} [{figure['low']:.2f}, {figure['high']:.2f}], "
            f"{figure['baseline_name']}: {figure['baseline']:.2f}"
        )
    if trained.run is not None:
        click.echo(f"      MLflow run {trained.run.id} in {trained.run.tracking_uri}, model {trained.run.registered}")


def _errors_come_in(system: System, settings: Settings, addresses: Addresses) -> Shop:
    _step(2, "Running a small application and its tests; their errors arrive through the API")
    shop = make_shop(settings.home / "demo")
    key = keys.add(system, PROJECT, host=addresses.api.removeprefix("http://"))
    before = _processed(system)
    environment = os.environ | {"SENTRY_DSN": key.dsn, "PYTHONPATH": str(shop.root)}
    app = subprocess.run(
        [sys.executable, "app.py"],
        cwd=shop.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if app.returncode:
        raise ServiceError(f"the demo's application ended with {app.returncode}", hint=app.stderr[-500:])
    click.echo("      app.py ran; its exceptions were sent by an unmodified sentry-sdk")
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--report-log={shop.report_log}"],
        cwd=shop.root,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    told = tests.stdout.strip().splitlines()
    click.echo(f"      pytest ran: {told[-1].strip('= ') if told else tests.stderr[-200:]}")
    answer = httpx.post(
        f"{addresses.api}/api/{PROJECT}/pytest/",
        content=shop.report_log.read_bytes(),
        headers={"Authorization": f"Bearer {key.key}"},
        timeout=30,
    )
    if answer.status_code != 200:
        raise ServiceError(f"the API refused the report log: {answer.text[:200]}", hint="see the log: `ems doctor`")
    _wait(lambda: system.store.inbox.waiting() == 0 and _processed(system) > before, "the worker to group the errors")
    click.echo(f"      {_processed(system) - before} errors received, redacted, grouped and ranked")
    return shop


def make_shop(folder: Path) -> Shop:
    """A fresh copy of the shop in a git repository below `folder`; an earlier copy of ours makes room."""
    root = folder / PROJECT
    if root.exists() and not (folder / MARK).is_file():
        raise UsageError(f"{root} is not the demo's, and stands in its way", hint="move it away, or set EMS_HOME")
    shutil.rmtree(root, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("`ems demo` replaces the folder beside this file at each run.\n")
    shutil.copytree(Path(__file__).parent / "demo_shop", root, ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".gitignore").write_text("__pycache__/\n")
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Open the shop"]):
        identity = ["-c", "user.name=EMS demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, *arguments], cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RepositoryError(f"git {arguments[0]} failed: {done.stderr.strip()}", hint="check `git --version`")
    return Shop(root=root, report_log=folder / "report-log.jsonl")


def _processed(system: System) -> int:
    return system.store.counters().get(("processed", ""), 0)


def _wait(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not done():
        if time.monotonic() > end:
            raise ServiceError(f"waited {WAIT_SECONDS:.0f} seconds for {what}", hint="see the log: `ems doctor`")
        threading.Event().wait(0.1)


def _show_patterns(system: System, since: datetime) -> list[PatternDetail]:
    """The patterns that this run's errors fell into; those of earlier runs alone stay in the dashboard."""
    patterns = [pattern for pattern in system.store.patterns(PROJECT) if pattern.last_seen >= since]
    _step(3, f"{len(patterns)} patterns by cause, with the strategies most likely to mend them")
    details = [pattern_detail(system, pattern.id) for pattern in sorted(patterns, key=lambda one: -one.count)]
    for detail in details:
        click.echo(f"\n  {click.style(detail.row.id, fg='cyan')}  {detail.row.count}x  {detail.row.title}")
        sources = sorted({event.source for event in detail.events})
        click.echo(f"      from {' and '.join(sources)}; {_grouped_by(detail)}")
        if detail.row.suggestion is not None:
            near = detail.row.suggestion
            click.echo(f"      the same as {near.pattern}? {near.probability:.0%} likely: a person is asked")
        for ranked in detail.row.strategies[:SHOWN]:
            because = f"  ({'; '.join(ranked.why[:2])})" if ranked.why else ""
            click.echo(f"      {ranked.probability:5.0%}  {ranked.name}{because}")
    return details


def _grouped_by(detail: PatternDetail) -> str:
    """Why the pattern's events stand together, from the reasons that were stored with them."""
    joined = [event for event in detail.events if event.decision is not None and event.decision.value == "joined"]
    if not joined:
        return "seen once" if detail.row.count == 1 else f"opened as {detail.decision}"
    lowest = min(event.probability for event in joined)
    return f"{len(joined)} joined it, each with p(same cause) of at least {lowest:.2f}"


def _repair(system: System, shop: Shop, details: Sequence[PatternDetail], since: datetime) -> int:
    _step(4, "Repairing: a change counts only where the project's own tests turn from red to green")
    repaired = 0
    failed_tests = [detail for detail in details if any(one.test and one.time >= since for one in detail.events)]
    for detail in failed_tests[:REPAIRS]:
        click.echo(f"\n  {click.style(detail.row.id, fg='cyan')}  {detail.row.title}")
        newest = next(event for event in detail.events if event.test)
        stored = system.store.events.get(PROJECT, newest.id)
        assert stored is not None  # its row was read from the same store
        verdict = system.repair(shop.root, stored.event, budget=REPAIR_SECONDS, python=sys.executable)
        system.store.record_fix(PROJECT, newest.id, detail.row.id, verdict)
        _show_verdict(verdict)
        repaired += verdict.verdict is Outcome.REPAIRED
    click.echo(f"\n  {repaired} of {len(failed_tests[:REPAIRS])} repaired; the branches are in {shop.root}")
    return repaired


def _show_verdict(verdict: Verdict) -> None:
    colour = "green" if verdict.verdict is Outcome.REPAIRED else "yellow"
    tries = f"{len(verdict.tried)} {'try' if len(verdict.tried) == 1 else 'tries'}"
    told = f"{verdict.verdict} in {verdict.seconds:.0f} s after {tries}: {verdict.reason}"
    click.echo("      " + click.style(told, fg=colour))
    if verdict.verdict is Outcome.REPAIRED and verdict.patch is not None:
        click.echo(f"      strategy {verdict.strategy}, branch {verdict.branch}")
        for line in verdict.patch.diff.splitlines():
            shade = {"+": "green", "-": "red"}.get(line[:1])
            click.echo(click.style(line, fg=shade) if shade else line)


def _stay(addresses: Addresses, settings: Settings) -> None:
    _step(5, "Everything is up")
    click.echo(f"      dashboard  {addresses.dashboard}")
    click.echo(f"      API        {addresses.api}")
    click.echo(f"      data       {settings.home}")
    click.echo(f"      MLflow     mlflow ui --backend-store-uri {json.dumps(settings.tracking)}")
    click.echo("      Ctrl-C stops it.")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
