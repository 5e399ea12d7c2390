"""What regrouping costs, and whether the wrong merges that a dry run expects are those that come.

Planted faults of packages that were not trained on arrive at the shipped models, a project a package, and are regrouped
by the same models with a lower threshold, so that patterns are merged. Then every event is copied until the store holds
`EVENTS`, and it is regrouped by a higher threshold (splits), and undone: the time of each, and the rows written.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import keep, system, table
from regroup_worlds import arrive, other_models

from ems_ml.build import apply_regrouping, plan_regrouping, undo_regrouping
from ems_ml.dataset import event_from_row, load_data
from ems_ml.regrouping import Kind

EVENTS = 200_000
A_PROJECT = 250  # traces that are drawn from each package at most
COLUMNS = "project, pattern, exact, time, source, search, event, assignment, strategies, versions, ms"
COPY = f"INSERT INTO event (id, {COLUMNS}) SELECT id || '-' || ?, {COLUMNS} FROM event WHERE number <= ?"
COUNT = "UPDATE pattern SET count = (SELECT count(*) FROM event WHERE event.pattern = pattern.id)"


def main() -> None:
    data = load_data("fault", "test")
    drawn = data.groupby("project", group_keys=False).sample(frac=1, random_state=0).groupby("project").head(A_PROJECT)
    records = [{str(name): value for name, value in row.items()} for row in drawn.to_dict("records")]
    events = [event_from_row(row) for row in records]
    causes = {event.id: row["group"] for event, row in zip(events, records, strict=True)}
    with tempfile.TemporaryDirectory() as home, system(Path(home)) as ems:
        arrive(ems, events)
        eager, strict = (other_models(Path(home), join=share, suggest=0.3) for share in (0.5, 0.97))
        plans = [one.plan for one in plan_regrouping(ems, version=eager)]
        merges = [change for plan in plans for change in plan.changes if change.kind is Kind.MERGED]
        wrong = sum(causes[change.example] != causes[change.beside] for change in merges)
        expected = sum(plan.wrong_merges for plan in plans)
        print(f"{len(events)} errors of {len(plans)} projects; join at 0.5 instead of the shipped threshold:")
        table(("merges", "expected wrong", "wrong"), [(len(merges), expected, wrong)])
        apply_regrouping(ems, version=eager)
        copies = EVENTS // len(events) - 1
        with ems.store.database.write() as connection:
            last = connection.exec_driver_sql("SELECT max(number) FROM event").scalar_one()
            for copy in range(copies):
                connection.exec_driver_sql(COPY, (copy, last))
            connection.exec_driver_sql(COUNT)
        held = ems.store.events.count()
        started = perf_counter()
        planned = plan_regrouping(ems, version=strict)
        planning = perf_counter() - started
        started = perf_counter()
        made = apply_regrouping(ems, version=strict)
        applied = perf_counter() - started
        started = perf_counter()
        undo_regrouping(ems)
        undone = perf_counter() - started
        found = {
            "events": held,
            "units": sum(one.plan.units for one in planned),
            "events moved": sum(one.events for one in made),
            "rows written": sum(one.rows for one in made),
            "seconds to plan": planning,
            "seconds to write": applied - planning,
            "seconds to undo": undone,
        }
        print()
        table(("regrouping a store", ""), list(found.items()))
        keep("regroup", found | {"merges": len(merges), "expected wrong merges": expected, "wrong merges": wrong})


if __name__ == "__main__":
    main()
