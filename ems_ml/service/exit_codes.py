"""What a command ends with, beyond the codes that `ems_ml.errors` gives each error (see `docs/api/exit-codes.md`)."""

from __future__ import annotations

OK = 0
PROBLEMS = 1  # `ems doctor` found something that does not work; or an error nobody foresaw
SOME_FAILED = 15  # a batch was worked through, and some of its reports could not be answered
NOT_REPAIRED, NOT_REPRODUCED, FLAKY, REFUSED, UNPROVEN = 20, 21, 22, 23, 24  # `ems fix`, by verdict
INTERRUPTED = 130
