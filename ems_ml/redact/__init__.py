"""Secrets and personal data leave an event before anything stores or embeds it."""

from __future__ import annotations

from ems_ml.redact.redactors import NullRedactor, SecretRedactor

__all__ = ["NullRedactor", "SecretRedactor"]
