"""The well-known libraries that tests use: which of them a package's tests need and its environment lacks.

Many source distributions say nowhere what their tests need. A name that is imported is never taken for the name of a
distribution, because anybody may hold that: only what this table knows is installed.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

#: module that tests import -> distribution that holds it
LIBRARIES = {
    "hypothesis": "hypothesis",
    "freezegun": "freezegun",
    "time_machine": "time-machine",
    "mock": "mock",
    "parameterized": "parameterized",
    "ddt": "ddt",
    "pyfakefs": "pyfakefs",
    "pytest_mock": "pytest-mock",
    "pytest_asyncio": "pytest-asyncio",
    "pytest_subtests": "pytest-subtests",
    "pytest_httpserver": "pytest-httpserver",
    "responses": "responses",
    "requests": "requests",
    "trustme": "trustme",
    "trio": "trio",
    "anyio": "anyio",
    "uvicorn": "uvicorn",
    "httpx": "httpx",
    "webtest": "webtest",
    "yaml": "pyyaml",
    "toml": "toml",
    "tomli": "tomli",
    "tomlkit": "tomlkit",
    "jsonschema": "jsonschema",
    "attr": "attrs",
    "attrs": "attrs",
    "pydantic": "pydantic",
    "typing_extensions": "typing-extensions",
    "pytz": "pytz",
    "tzdata": "tzdata",
    "dateutil": "python-dateutil",
    "babel": "babel",
    "six": "six",
    "packaging": "packaging",
    "setuptools": "setuptools",
    "numpy": "numpy",
    "pandas": "pandas",
    "jinja2": "jinja2",
    "markupsafe": "markupsafe",
    "docutils": "docutils",
    "pygments": "pygments",
    "rich": "rich",
    "click": "click",
    "colorama": "colorama",
    "chardet": "chardet",
    "cryptography": "cryptography",
    "zstandard": "zstandard",
    "msgpack": "msgpack",
    "bson": "pymongo",
    "cbor2": "cbor2",
    "orjson": "orjson",
    "ujson": "ujson",
    "immutables": "immutables",
    "sqlalchemy": "sqlalchemy",
    "psutil": "psutil",
    "lxml": "lxml",
    "bs4": "beautifulsoup4",
    "railroad": "railroad-diagrams",
    "regex": "regex",
    "networkx": "networkx",
    "sympy": "sympy",
    "simplejson": "simplejson",
    "sortedcontainers": "sortedcontainers",
    "pretend": "pretend",
    "testfixtures": "testfixtures",
    "syrupy": "syrupy",
    "sybil": "sybil",
    "pytest_trio": "pytest-trio",
    "pytest_cases": "pytest-cases",
    "pytest_lazyfixture": "pytest-lazy-fixture",
    "pkg_resources": "setuptools<81",
    "distutils": "setuptools<81",
    "aiofiles": "aiofiles",
    "aiosqlite": "aiosqlite",
    "databases": "databases",
    "graphene": "graphene",
    "multipart": "python-multipart",
    "python_multipart": "python-multipart",
    "itsdangerous": "itsdangerous",
    "brotli": "brotli",
    "brotlicffi": "brotlicffi",
    "socksio": "socksio",
    "h2": "h2",
    "h11": "h11",
    "wsproto": "wsproto",
    "websockets": "websockets",
    "certifi": "certifi",
    "idna": "idna",
    "flask": "flask",
    "werkzeug": "werkzeug",
    "tornado": "tornado",
    "django": "django",
    "aiohttp": "aiohttp",
    "gevent": "gevent",
    "greenlet": "greenlet",
    "exceptiongroup": "exceptiongroup",
    "importlib_metadata": "importlib-metadata",
    "importlib_resources": "importlib-resources",
    "email_validator": "email-validator",
    "markdown": "markdown",
    "future": "future",
    "cloudpickle": "cloudpickle",
    "pexpect": "pexpect",
    "tqdm": "tqdm",
    "tabulate": "tabulate",
    "wcwidth": "wcwidth",
    "pyparsing": "pyparsing",
    "marshmallow": "marshmallow",
}
#: what a test writes without an import -> distribution that gives it
WORDS = {
    r"\bdef test\w*\([^)]*\bmocker\b": "pytest-mock",
    r"\bdef test\w*\([^)]*\bsubtests\b": "pytest-subtests",
    r"\bdef test\w*\([^)]*\bhttpserver\b": "pytest-httpserver",
    r"\bmark\.asyncio\b": "pytest-asyncio",
    r"\bmark\.trio\b": "pytest-trio",
    r"\bmark\.anyio\b": "anyio",
    r"\bdef test\w*\([^)]*\bdata_regression\b": "pytest-regressions",
}
_IMPORT = re.compile(r"^[ \t]*(?:import|from)[ \t]+(\w+)", re.M)
_SAID_MISSING = re.compile(
    r"(?:No module named|Failed to import filter module) '(?P<module>\w+)"
    r"|pip3? install (?:-U |--upgrade )?[\"'`]?(?P<told>[A-Za-z][\w-]*)"
)
_LACKING = """
import importlib.util as u, json, sys
print(json.dumps([name for name in json.loads(sys.argv[1]) if u.find_spec(name) is None]))
"""


def missing_libraries(python: Path, places: Sequence[Path], own: Iterable[str]) -> list[str]:
    """The distributions, sorted, that the tests in `places` need beside what the environment of `python` has.

    own: names that the package or its tree hold themselves, which no library may stand for.
    """
    texts = list(_texts(places))
    modules = {name for text in texts for name in _IMPORT.findall(text)} - set(own)
    wanted = {name: LIBRARIES[name] for name in modules if name in LIBRARIES}
    wanted |= {
        distribution.replace("-", "_"): distribution
        for word, distribution in WORDS.items()
        if any(re.search(word, text) for text in texts)
    }
    asked = [str(python), "-I", "-c", _LACKING, json.dumps(sorted(wanted))]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    return sorted({wanted[name] for name in json.loads(done.stdout)})


def lacking_library(said: str, own: Iterable[str]) -> str | None:
    """The distribution that would mend what an error says is missing: a module, or what the text tells to install.

    own: names that the package or its tree hold themselves. None where nothing is missing that the table knows.
    """
    found = _SAID_MISSING.search(said)
    if found is None or found["module"] in {*own}:
        return None
    if found["module"]:
        return LIBRARIES.get(found["module"])
    return found["told"].lower() if found["told"].lower() in {*LIBRARIES.values()} else None


def _texts(places: Sequence[Path]) -> Iterator[str]:
    for place in places:
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            yield file.read_text(encoding="utf-8", errors="replace")
