"""The languages whose traces are read in a text."""

from __future__ import annotations

from ems_ml.parse.go import GoParser
from ems_ml.parse.javascript import JavaScriptParser
from ems_ml.parse.jvm import JvmParser
from ems_ml.parse.native import NativeParser
from ems_ml.parse.python import PythonParser
from ems_ml.parse.rust import RustParser
from ems_ml.parse.text import Reader


def readers() -> tuple[Reader, ...]:
    """One reader for each language; their order decides nothing."""
    return (PythonParser(), JvmParser(), JavaScriptParser(), GoParser(), NativeParser(), RustParser())
