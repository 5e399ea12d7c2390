"""Under which licence a project's code stands, as a short word, by what its files say."""

from __future__ import annotations

import re
from pathlib import Path

from ems_ml.repo import GitFailed, git, git_bytes

NOT_STATED = "not stated"
_FILE = re.compile(r"(?:LICEN[CS]E|COPYING|COPYRIGHT)(?:[.-][\w.-]+)?$", re.IGNORECASE)
_SETTINGS = ("pyproject.toml", "setup.cfg", "setup.py")
#: What stands in a licence's text, the more specific first.
_TEXTS = (
    ("AGPL-3.0", r"GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3"),
    ("LGPL-3.0", r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 3"),
    ("LGPL-2.1", r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 2\.1"),
    ("GPL-3.0", r"GNU GENERAL PUBLIC LICENSE\s+Version 3"),
    ("GPL-2.0", r"GNU GENERAL PUBLIC LICENSE\s+Version 2"),
    ("MPL-2.0", r"Mozilla Public License,? (?:Version|v\.) ?2\.0"),
    ("Apache-2.0", r"Apache License,?\s+Version 2\.0|apache\.org/licenses/LICENSE-2\.0"),
    ("BSD-3-Clause", r"Redistribution and use in source and binary forms.*(?:endorse or promote|Neither the name)"),
    ("BSD-2-Clause", r"Redistribution and use in source and binary forms"),
    ("MIT", r"Permission is hereby granted, free of charge, to any person obtaining"),
    ("ISC", r"Permission to use, copy, modify, and/?(?:or)? distribute this software for any purpose"),
    ("PSF-2.0", r"PYTHON SOFTWARE FOUNDATION LICENSE"),
    ("Unlicense", r"free and unencumbered software released into the public domain"),
)  # fmt: skip
_WORDS = (
    ("AGPL-3.0", r"AGPL"),
    ("LGPL", r"LGPL|Lesser General Public"),
    ("GPL", r"\bGPL|GNU General Public"),
    ("MPL-2.0", r"MPL|Mozilla Public"),
    ("Apache-2.0", r"Apache"),
    ("BSD-3-Clause", r"BSD-3|3-Clause|New BSD|Modified BSD"),
    ("BSD-2-Clause", r"BSD-2|2-Clause"),
    ("BSD", r"\bBSD"),
    ("MIT", r"\bMIT\b"),
    ("ISC", r"\bISC\b"),
    ("PSF-2.0", r"Python Software Foundation|\bPSF"),
)
_STATED = re.compile(r"License :: [^'\"\n]+|^\s*license\w*\s*=\s*[^\n]+", re.IGNORECASE | re.MULTILINE)


def licence_of(repository: Path) -> str:
    """The licence at HEAD, as SPDX writes it where the file's text shows it, "not stated" where nothing does."""
    names = git("ls-tree", "--name-only", "HEAD", cwd=repository).splitlines()
    texts = [_read(repository, name) for name in sorted(names, key=len) if _FILE.match(name)]
    for text in texts:
        if found := _first(_TEXTS, text):
            return found
    stated = ["\n".join(_STATED.findall(_read(repository, name))) for name in _SETTINGS if name in names]
    said = [*stated, *(text[:2000] for text in texts)]
    return next((found for text in said if (found := _first(_WORDS, text))), NOT_STATED)


def _first(rules: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((name for name, rule in rules if re.search(rule, text, re.IGNORECASE | re.DOTALL)), None)


def _read(repository: Path, name: str) -> str:
    try:
        return git_bytes("cat-file", "blob", f"HEAD:{name}", cwd=repository).decode("utf-8", "replace")
    except GitFailed:  # a folder, or a file that a partial clone lacks
        return ""
