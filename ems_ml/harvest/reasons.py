"""Why a strategy has few causes in the data: one written reason for each, kept in one place.

A reason is about the strategy and not about a run: it says what keeps planting, replaying or recognising it from
giving more. `why_few` picks those that the counts call for.
"""

from __future__ import annotations

from collections.abc import Mapping

ENOUGH = 100  # causes from which no reason is asked for

_ENVIRONMENT = (
    "a fix of the environment: it is in no diff, so histories give almost none, and well isolated unit tests seldom "
    "touch what it mends"
)

REASONS: Mapping[str, str] = {
    "guard_none": "tests for None are common, but many only guard what the tests never pass",
    "guard_empty": "tests for emptiness often guard a shortcut: without them the long way gives the same answer",
    "default_missing": "a lookup with a default that the tests never need gives no error when it becomes a plain one",
    "catch_exception": "a handler breaks loudly only where a test makes its exception happen",
    "copy_before_change": "copies are rare, and a missing one mostly gives wrong values, which assertions notice and "
    "tracebacks do not; only a container that changes size while it is read raises",
    "handle_encoding": "few places name an encoding, and tests run where the default is UTF-8 already, so that "
    "dropping it changes nothing",
    "release_resource": "what is not closed gives a warning or an error much later, seldom an exception in the code "
    "that forgot it",
    "add_import": "most missing imports break the collection of the tests, which counts as `broke_import`",
    "initialise": "a missing first value breaks loudly, but a function has few of them",
    "extend_interface": "a missing member mostly breaks the import of whatever subclasses or re-exports it",
    "validate_input": "without a check the bad value often passes silently, or the test that expects its error fails "
    "by an assertion, which is not kept",
    "relax_check": "an added over-strict check must be one that a healthy value breaks; few can be made by rule",
    "handle_type": "a branch for another type is seen only where a test passes that type, and often a later one copes",
    "convert_type": "dropping a conversion often changes the answer and raises nothing",
    "correct_arguments": "a call with a wrong list of arguments raises, but definitions that take anything hide it",
    "replace_call": "which function serves the same purpose is not known by rule, so it is planted only where a pair "
    "of siblings is written down; in histories it is read only where a call's name changes and its place does not",
    "reorder_statements": "most orders of statements that differ do not raise, and in histories a move among other "
    "changes is not told from a rewrite",
    "correct_name": "a swapped name mostly stays a valid value of the wrong kind, which assertions notice first",
    "correct_condition": "a wrong condition mostly gives a wrong answer and no exception",
    "correct_literal": "a wrong constant mostly gives a wrong answer: of the planted ones most are noticed by "
    "assertions only",
    "correct_expression": "a wrong value mostly fails in the test's own assertion, which is not kept",
    "install_dependency": _ENVIRONMENT + "; packages here have few dependencies, and optional ones are caught",
    "pin_dependency": _ENVIRONMENT + "; it needs two versions of a dependency that differ in what a test uses",
    "fix_configuration": _ENVIRONMENT + "; libraries read few variables",
    "grant_permission": _ENVIRONMENT,
    "create_path": _ENVIRONMENT + "; tests make the folders that they need",
    "raise_limit": _ENVIRONMENT + "; a limit that is hit mostly ends the run, which counts as `timed_out` or `memory`",
    "retry_transient": _ENVIRONMENT + "; harvested tests have no network",
    "revert_change": "it is no change of its own kind: it undoes a known commit, so it is never planted; in histories "
    "it is read only where a replayed commit says so or takes an earlier one back to the letter",
}


def why_few(counts: Mapping[str, int]) -> dict[str, str]:
    """The reason for each strategy with fewer than `ENOUGH` causes in `counts`, also for those with none."""
    own = "brought by another package, which says no more about it"
    return {name: REASONS.get(name, own) for name in {**REASONS, **counts} if counts.get(name, 0) < ENOUGH}
