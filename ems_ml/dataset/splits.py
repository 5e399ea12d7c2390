"""Which project's rows are for learning, for tuning, for judging: written down, so that no figure moves with a draw.

About 65, 12 and 23% of the planted packages. Related ones stand together: those of one family, or where one stands on
another (mistune and markdown-it-py; h11, wsproto, httpx and starlette; attrs and cattrs; prettytable, tabulate and
wcwidth). Histories of other projects are for learning, but for those that grew out of a project of another split.
"""

from __future__ import annotations

from collections.abc import Mapping

KINDS = ("fault", "replay", "told")
RELEASE = "release"  # the kind of faults planted in several versions: for judging grouping, never there unasked
SPLIT_NAMES = ("train", "tune", "test")
REPLAY = "replay"  # the split of every replayed crash: nothing learns or is tuned on it
ALL_SPLITS = (*SPLIT_NAMES, REPLAY)

_TRAIN = """
    attrs babel boltons bottle cachetools cattrs cerberus click dacite filelock humanize idna inflect itsdangerous
    jinja2 lark more-itertools mpmath parso pyparsing python-dateutil schema simpleeval sortedcontainers sqlparse toolz
    voluptuous wtforms xmltodict
"""
_TUNE = "packaging prettytable pyrsistent python-slugify tabulate wcwidth"
_TEST = "h11 httpx jmespath jsonschema markdown-it-py mistune starlette textdistance tinydb wsproto"
_GREW_TOGETHER = {"pip": "tune", "setuptools": "tune"}  # with packaging

SPLITS: Mapping[str, str] = {
    **dict.fromkeys(_TRAIN.split(), "train"),
    **dict.fromkeys(_TUNE.split(), "tune"),
    **dict.fromkeys(_TEST.split(), "test"),
    **_GREW_TOGETHER,
}

#: How repositories are called, where their package has another name.
_PACKAGES = {
    "dateutil": "python-dateutil",
    "jinja": "jinja2",
    "jmespath.py": "jmespath",
    "python-sortedcontainers": "sortedcontainers",
    "python-tabulate": "tabulate",
}


def project_name(name: str) -> str:
    """One name for a project, whether a package or a repository of it was read.

    >>> project_name("python-tabulate"), project_name("Jinja2")
    ('tabulate', 'jinja2')
    """
    plain = name.lower().replace("_", "-")
    return _PACKAGES.get(plain, plain)


def split_of(kind: str, project: str, splits: Mapping[str, str] = SPLITS) -> str:
    """The split of a row. A project that is not in the table is for learning."""
    return REPLAY if kind == "replay" else splits.get(project_name(project), "train")
