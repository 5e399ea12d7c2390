"""The labels: every strategy's name with its meaning in a line, in the order in which the more specific one wins.

A name that training data carry is never renamed. Nothing heavy is imported here: answers list these names.
"""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "guard_none": "tests a value that is present but None before it is used",
    "guard_empty": "tests for empty, length or range before access",
    "default_missing": "supplies a default, or a membership test, for an absent key or attribute",
    "catch_exception": "catches an exception, or one more kind, where it is expected",
    "copy_before_change": "copies, or iterates over a copy, before a shared thing changes",
    "handle_encoding": "encodes, decodes or opens with the right encoding",
    "release_resource": "closes, releases or scopes a resource",
    "add_import": "adds, corrects or guards an import",
    "initialise": "gives a variable or attribute its value before its first use",
    "extend_interface": "adds a missing method, property, attribute, class or parameter default",
    "validate_input": "rejects bad input early with a clear error, or cleans it",
    "relax_check": "removes or loosens a check that was too strict",
    "handle_type": "supports another type, shape or special value with handling of its own",
    "convert_type": "converts a value to the type that is needed",
    "correct_arguments": "adds, drops or reorders arguments of a call or parameters of a definition",
    "replace_call": "calls another function for the same purpose",
    "reorder_statements": "moves statements: does a thing earlier, later or in another scope",
    "correct_name": "uses another existing name where the wrong one stood",
    "correct_condition": "changes a condition, comparison or filter that was wrong",
    "correct_literal": "changes a constant, format string, pattern or table entry",
    "correct_expression": "changes a computed value: arithmetic, index, slice, attribute path",
    "install_dependency": "installs what is missing",
    "pin_dependency": "moves a dependency to a version that fits",
    "fix_configuration": "sets a variable, key, path or URL",
    "grant_permission": "grants access to a file, port or credential",
    "create_path": "creates the missing file, folder, table or migration",
    "raise_limit": "raises, or stops exceeding, a limit: memory, recursion, time, files, disk",
    "retry_transient": "retries with back-off, reconnects, or waits for a service",
    "revert_change": "undoes the commit that brought the error in",
}

STRATEGY_NAMES: tuple[str, ...] = tuple(STRATEGIES)
