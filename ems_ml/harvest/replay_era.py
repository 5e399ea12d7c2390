"""The candidates of one era, replayed in one environment after another until each has an outcome of its own code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ems_ml.errors import EmsError
from ems_ml.harvest.commits import Candidate
from ems_ml.harvest.eras import Builder, Environment, Era, Way, ways
from ems_ml.harvest.replay import LONGEST_REASON, Replayer
from ems_ml.harvest.types import Bounds

BOUNDS = replace(Bounds(), fault_seconds=30.0)
ENVIRONMENT = ("not_collected", "still_fails")  # outcomes for which the environment may be to blame
#: Reasons that no environment mends: code of another Python.
_HOPELESS = ("SyntaxError", "IndentationError", "TabError")


class EraReplay:
    """keep: takes a candidate's final outcome. note: takes what the ledger should tell. may_go_on: asked in between."""

    def __init__(
        self,
        builder: Builder,
        project: str,
        era: Era,
        *,
        keep: Callable[[Candidate, Mapping[str, Any]], None],
        note: Callable[[str], None],
        may_go_on: Callable[[], bool],
    ) -> None:
        self.builder, self.project, self.era = builder, project, era
        self.keep, self.note, self.may_go_on = keep, note, may_go_on
        self.held: dict[str, Mapping[str, Any]] = {}  # commit: an outcome that another environment may better

    def replay(self, todo: Sequence[Candidate]) -> None:
        """Each of `todo` (newest first) is kept, but for those that were not done when there was no going on."""
        left, problem = list(todo), ""
        if not self.era.layout.tops:
            problem = "nothing importable lies beside what is changed"
        tried: set[Way] = set()
        made = 0
        *usual, at_last = ways(self.era)
        for choose in (*usual, at_last) if not problem else ():
            lacking = [one for one in left if self._lacks(one)]
            if made > 1 and not lacking:
                break  # what raises after the fix in two environments would in a third
            way = choose(lacking or left)
            if way in tried or (choose is at_last and made):
                continue
            if not self.may_go_on():
                return  # what is held is tried again by the next run
            tried.add(way)
            try:
                env = self.builder.environment(self.era, way)
            except EmsError as error:
                problem = problem or str(error)
                continue
            made += 1
            for said in env.notes:
                self.note(f"{self.era.name}: {said}")
            still = self._in(env, way, left)
            if still is None:
                return
            left = still
            if not left:
                break
        self._give_up(left, "" if made else problem)
        self.builder.forget(self.era)

    def _lacks(self, candidate: Candidate) -> bool:
        return self.held.get(candidate.commit, {}).get("outcome") == "not_collected"

    def _in(self, env: Environment, way: Way, left: Sequence[Candidate]) -> list[Candidate] | None:
        """Those that find this environment wanting; None where there was no going on."""
        still = []
        with Replayer(self.builder, self.project, self.era, way, env, BOUNDS) as replayer:
            for candidate in left:
                if not self.may_go_on():
                    return None
                found = {**replayer.replay(candidate), "python": env.version}
                if found["outcome"] in ENVIRONMENT and not found["reason"].startswith(_HOPELESS):
                    self.held.setdefault(candidate.commit, found)
                    still.append(candidate)
                else:
                    self.keep(candidate, found)
        return still

    def _give_up(self, left: Sequence[Candidate], problem: str) -> None:
        """What no environment made better is kept as the first one gave it."""
        if problem:
            self.note(f"{self.era.name}: {problem}")
        nothing = {"outcome": "no_environment", "traces": [], "seconds": 0.0, "reason": problem[:LONGEST_REASON]}
        for candidate in left:
            self.keep(candidate, self.held.get(candidate.commit) or {**nothing, "tests": list(candidate.tests)})
