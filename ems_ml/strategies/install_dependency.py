"""install_dependency: installs a package that is missing, by a line in the project's requirements."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

from ems_ml.ports import SourceTree
from ems_ml.source.module import Module
from ems_ml.strategies import base, environment
from ems_ml.types import Condition, ErrorEvent, Injection, Proposal

_MISSING = re.compile(r"No module named '(?P<name>\w+)")
_INSTALLS = re.compile(
    r"\b(?:pip3?|conda|apt-get|apt|brew|uv|poetry) (?:pip )?(?:install|add)\b(?!.*(?:--upgrade|-U\b|==))"
)
#: Of the standard library, what distributions leave out or later versions have dropped.
OPTIONAL = {
    "asynchat", "asyncore", "bz2", "cgi", "crypt", "ctypes", "curses", "dbm", "distutils", "imghdr", "imp", "lzma",
    "multiprocessing", "pipes", "readline", "smtpd", "sqlite3", "ssl", "telnetlib", "tkinter", "tomllib", "zlib",
    "zoneinfo",
}  # fmt: skip
#: What is imported by another name than it is installed by.
PACKAGES = {
    "yaml": "PyYAML", "PIL": "Pillow", "cv2": "opencv-python", "sklearn": "scikit-learn", "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil", "dotenv": "python-dotenv", "attr": "attrs", "jwt": "PyJWT", "Crypto": "pycryptodome",
    "OpenSSL": "pyOpenSSL", "MySQLdb": "mysqlclient", "psycopg2": "psycopg2-binary", "serial": "pyserial",
    "git": "GitPython", "magic": "python-magic", "usb": "pyusb", "zmq": "pyzmq", "skimage": "scikit-image",
    "pkg_resources": "setuptools", "markdown": "Markdown", "jose": "python-jose", "slugify": "python-slugify",
}  # fmt: skip


class InstallDependency:
    name = "install_dependency"

    def recognise(self, before: str, after: str) -> float:
        """High for a new line in requirements, or a command that installs, in a text that is no Python."""
        lines = environment.added_lines(before, after)
        if any(_INSTALLS.search(line) for line in lines):
            return 0.98
        if not lines or _INSTALLS.search(before):
            return 0.0
        old, new = environment.requirements(before), environment.requirements("\n".join(lines))
        told = [name for name in new if name not in old]
        return 0.98 if told and len(new) == len(lines) else 0.0

    def inject(self, source: str) -> Iterator[Injection]:
        """Hides an imported package from the import system."""
        module = Module.of(source)
        if module is None:
            return
        for statement in base.statements(module):
            for top in imported(statement):
                if top not in sys.stdlib_module_names or top in OPTIONAL:
                    condition = Condition(kind="hide_module", target=top)
                    yield from environment.placed(module, self.name, statement, "hides a package", condition)

    def propose(self, event: ErrorEvent, source: SourceTree) -> Iterator[Proposal]:
        """A line in the project's requirements, where there is such a file."""
        missing = _MISSING.search(event.error.message)
        if event.error.short_type not in ("ModuleNotFoundError", "ImportError") or missing is None:
            return
        top = missing["name"]
        wanted = PACKAGES.get(top, top)
        if top in sys.stdlib_module_names or not any(True for _ in base.places(event, source)):
            return
        for path in environment.FILES:
            text = source.read(path)
            if text is None or wanted.lower().replace("_", "-") in environment.requirements(text):
                continue
            newline = "\r\n" if "\r\n" in text else "\n"
            end = "" if not text or text.endswith("\n") else newline
            changed = f"{text}{end}{wanted}{newline}"
            yield Proposal(strategy=self.name, path=path, source=changed, summary=f"Require {wanted}", score=0.9)


def imported(statement: ast.stmt) -> list[str]:
    """The packages that a statement imports from elsewhere, by their first names."""
    if isinstance(statement, ast.Import):
        return list(dict.fromkeys(alias.name.split(".")[0] for alias in statement.names))
    if isinstance(statement, ast.ImportFrom) and not statement.level and statement.module not in (None, "__future__"):
        return [str(statement.module).split(".")[0]]
    return []


STRATEGY = InstallDependency()
