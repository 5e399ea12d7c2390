"""Understanding reports: `ParserChain(default_parsers()).parse(report)` answers whatever arrives.

To read a further form, write a class with `name` and `parse` (see `ems_ml.ports.Parser`), and put it before
the plain parser.
"""

from __future__ import annotations

from ems_ml.parse.base import ParserChain
from ems_ml.parse.plain import PlainParser
from ems_ml.parse.pytest_report import PytestParser
from ems_ml.parse.python import PythonParser
from ems_ml.parse.sentry import SentryParser
from ems_ml.ports import Parser


def default_parsers() -> tuple[Parser, ...]:
    """The parsers in the order in which they are asked."""
    return (SentryParser(), PytestParser(), PythonParser(), PlainParser())


__all__ = ["ParserChain", "PlainParser", "PytestParser", "PythonParser", "SentryParser", "default_parsers"]
