"""A verdict as the JSON that `ems fix --json` prints, and as an exit code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ems_ml.types import Outcome, Verdict

EXIT_CODES: Mapping[Outcome, int] = {
    Outcome.REPAIRED: 0,
    Outcome.NOT_REPAIRED: 20,
    Outcome.NOT_REPRODUCED: 21,
    Outcome.FLAKY: 22,
    Outcome.REFUSED: 23,
    Outcome.UNPROVEN: 24,
}


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """The public contract (`docs/user/fix.md`): fields may be added, never renamed."""
    return {
        "verdict": str(verdict.verdict),
        "reason": verdict.reason,
        "strategy": verdict.strategy,
        "patch": verdict.patch.diff if verdict.patch else None,
        "summary": verdict.patch.summary if verdict.patch else None,
        "files": list(verdict.patch.files) if verdict.patch else [],
        "tried": [
            {"strategy": each.strategy, "summary": each.summary, "result": each.result} for each in verdict.tried
        ],
        "seconds": round(verdict.seconds, 2),
        "evidence": dict(verdict.evidence),
        "branch": verdict.branch,
        "commit": verdict.commit,
    }
