"""How the lines of a change read before and after: neighbouring tokens of their shapes, and words of their identifiers.

Where `ems_ml.source.signs` tells what a change is about, this tells how it is put. A word counts only where a model
has met it in several projects (`tests/benchmarks/train_recogniser.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import unified_diff
from functools import lru_cache
from itertools import pairwise

from ems_ml.source.shapes import shape, words

FIRST, LAST = "^", "$"  # of a line


@lru_cache(maxsize=64)
def wording(before: str, after: str) -> Counter[str]:
    """What lines that came (`+`) and went (`-`) hold: `line +if name` of neighbours, `word +encoding` of identifiers.

    Comments alone in a line do not count. Do not change what is returned.
    """
    found: Counter[str] = Counter()
    for sign, line in changed_lines(before, after):
        found.update(f"line {sign}{one} {other}" for one, other in pairwise((FIRST, *shape(line), LAST)))
        found.update(f"word {sign}{word}" for word in words(line))
    return found


def changed_lines(before: str, after: str) -> Iterator[tuple[str, str]]:
    """`-` or `+`, and the line without its margins: each line of code of a change, in order."""
    lines = unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    for number, line in enumerate(lines):
        code = line[1:].strip()
        if number > 1 and line[0] in "-+" and code and not code.startswith("#"):
            yield line[0], code
