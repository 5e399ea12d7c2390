"""Errors that name their remedy and their exit code."""

from __future__ import annotations


class EmsError(Exception):
    """Something a person can mend.

    `str(error)` is one clear line of what is wrong, `hint` one of what to do about it, and `exit_code` what
    the command ends with (see `docs/api/exit-codes.md`).

    >>> error = EmsError("the port 8400 is in use", hint="choose another with EMS_PORT")
    >>> str(error), error.hint, error.exit_code
    ('the port 8400 is in use', 'choose another with EMS_PORT', 1)
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(EmsError):
    """The command or call was given something that it cannot take."""

    exit_code = 2


class InputError(EmsError):
    """A report, file or request cannot be read."""

    exit_code = 3


class TooLarge(InputError):
    """A report, file or request is larger than its limit."""


class ModelError(EmsError):
    """A model is missing, truncated, altered or made for another version."""

    exit_code = 4


class StoreError(EmsError):
    """The data folder or the database cannot be used."""

    exit_code = 5


class RepositoryError(EmsError):
    """A git repository is not in a state to work with."""

    exit_code = 6


class SandboxError(EmsError):
    """A bounded process could not be started or contained."""

    exit_code = 7


class ServiceError(EmsError):
    """A server could not be started or reached: a port in use, say."""

    exit_code = 8


class MissingExtra(EmsError):
    """An optional part is not installed; the hint is its install line."""

    exit_code = 9

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the extra [{extra}], which is not installed",
            hint=f"pip install 'ems-ml[{extra}]'",
        )


class NotFound(EmsError):
    """A pattern, event, project or key that does not exist."""

    exit_code = 10


class LostRace(EmsError):
    """Another process made a pattern at the same moment; the caller groups again."""

    exit_code = 11


class DuplicateEvent(EmsError):
    """The project already holds an event of this id."""

    exit_code = 12
