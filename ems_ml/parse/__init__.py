"""Understanding reports: `ParserChain(default_parsers()).parse(report)` answers whatever arrives.

To read a further form, write a class with `name` and `parse` (see `ems_ml.ports.Parser`), and put it before
the plain parser. A further language of traces in a text is a class with `find` (see `ems_ml.parse.text.Reader`)
in `ems_ml.parse.languages`.
"""

from __future__ import annotations

from ems_ml.parse.base import ParserChain
from ems_ml.parse.go import GoParser
from ems_ml.parse.javascript import JavaScriptParser
from ems_ml.parse.jvm import JvmParser
from ems_ml.parse.languages import readers
from ems_ml.parse.native import NativeParser
from ems_ml.parse.plain import PlainParser
from ems_ml.parse.pytest_report import PytestParser
from ems_ml.parse.python import PythonParser
from ems_ml.parse.rust import RustParser
from ems_ml.parse.sentry import SentryParser
from ems_ml.parse.text import TextParser
from ems_ml.ports import Parser


def default_parsers() -> tuple[Parser, ...]:
    """The parsers in the order in which they are asked."""
    return (SentryParser(), PytestParser(), TextParser(readers()), PlainParser())


__all__ = [
    "GoParser",
    "JavaScriptParser",
    "JvmParser",
    "NativeParser",
    "ParserChain",
    "PlainParser",
    "PytestParser",
    "PythonParser",
    "RustParser",
    "SentryParser",
    "TextParser",
    "default_parsers",
]
