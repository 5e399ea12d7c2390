"""Repairs: candidates from the strategies, judged by the project's own tests, published as a branch."""

from ems_ml.fix.command import choose_interpreter, find_command, is_test_path
from ems_ml.fix.propose import candidates
from ems_ml.fix.repair import DEFAULT_BUDGET_SECONDS, repair
from ems_ml.fix.report import EXIT_CODES, verdict_to_json
from ems_ml.fix.verify import SuiteVerifier

__all__ = [
    "DEFAULT_BUDGET_SECONDS",
    "EXIT_CODES",
    "SuiteVerifier",
    "candidates",
    "choose_interpreter",
    "find_command",
    "is_test_path",
    "repair",
    "verdict_to_json",
]
