"""What a commit message says that went wrong before: "Previously, an empty body crashed with an AttributeError".

Such a sentence names no fix. It stands below a subject that tells of one, or of what is done now.
"""

from __future__ import annotations

import re

from ems_ml.harvest.names import NAMED, type_of

_SYMPTOM = re.compile(
    r"\b(?:(?:caus(?:e[sd]?|ing)|trigger(?:s|ed|ing)?|result(?:s|ed|ing)? in|lead(?:s|ing)? to|led to"
    r"|(?:fail|crash|die|blow|exit|abort|chok|explod|bail)\w*(?: out| up)? with|end(?:s|ed)? up (?:with|in)|threw"
    r"|bubbl\w+ up as|r[au]n(?:s|ning)? into)(?: [\w-]+){0,4}?"
    r"|(?:get|getting|gets|got|hit|hits|hitting|encounter(?:ed|s)?|see|seeing|saw)"
    r"(?: (?:an?|the|this|that|random|strange|following|uncaught|unhandled|obscure|occasional|internal)){0,2}"
    r"|(?:previously|used to|would|could|otherwise|might|may|can|sometimes|occasionally|incorrectly|unexpectedly"
    r"|spuriously|erroneously|wrongly|always been|ended up|ends up|was|were|before|bug|issue|until now|kept|keeps)"
    r"(?: (?:also|then|sometimes|always|just|occasionally|immediately|even|later|potentially|incorrectly)){0,2}"
    r" (?:rais|throw)(?:e|es|ed|n|ing)?(?: [\w-]+){0,2}?"
    r"|(?<!be )(?<!is )(?<!not )(?<!now )(?<!are )(?<!just )(?<!explicitly )(?<!been )(?<!was )(?<!were )(?<!the )"
    rf"raised(?: an?| the)?) (?::(?:py:)?exc:)?{NAMED}",
    re.IGNORECASE,
)
#: The exception is what the code shall raise, or a warning stands for it.
_MEANT = re.compile(r"\b(?:now|should|must|shall|correctly|properly|expect\w*)\b|Warning\b", re.IGNORECASE)
_CHANGED = re.compile(r"\bbefore,? (?:and )?now\b", re.IGNORECASE)
#: Those that stop a program, a task or a loop: that they come is seldom what went wrong.
_SIGNALS = ("KeyboardInterrupt", "SystemExit", "GeneratorExit", "StopIteration", "StopAsyncIteration")
#: The change brings another error, or another text of one.
_OTHER_ERROR = re.compile(
    r"^\W*(?:\w+\W+){0,3}?(?:rais|throw|warn)(?:e|es|ing|s)?\b|\b(?:errors?|exceptions?|warnings?) (?:messages?|text)"
    r"|\b(?:not|n['’]t) (?:being )?(?:rais|throw|caught)|\bmissing (?:errors?|exceptions?)|\breporting\b"
    r"|\bmessage\b",
    re.IGNORECASE,
)
_TAKES_AWAY = re.compile(
    r"^\W*(?:\[[^]]*\]\W*)?(?:[\w./() -]{1,20}: ?)?(?:releas|remov|drop|deprecat|merg|bump|delet|disallow|forbid)",
    re.IGNORECASE,
)
#: Texts that the interpreter itself gives: nobody wants one.
_OWN_WORDS = re.compile(
    rf"^(?:E +|> ?|[-*] )?{NAMED}: .*?(?:has no attribute|not subscriptable|out of range|changed size|recursion depth"
    r"|by zero|can't (?:de|en)code|codec can|unexpected keyword|positional argument|not iterable|referenced before"
    r"|is not defined|values? to unpack|invalid literal|unhashable|cannot import name|not callable"
    r"|unsupported operand|not supported between|No module named|must be (?:a )?(?:str|bytes|unicode|real|int)"
    r"|expected (?:a )?(?:str|bytes)|object (?:can|does|is|has)|null byte|concatenate|indices must be"
    r"|missing \d+ required|takes (?:exactly|at|no|from|\d)|multiple values for|Errno \d|Too many open"
    r"|object (?:expected|required))"
)


def went_wrong(sentence: str, subject: str) -> str | None:
    """The exception that a sentence says came before, below this subject or as a part of it."""
    if went_elsewhere(subject):
        return None
    found = _SYMPTOM.search(sentence)
    if found is None or _MEANT.search(sentence[: found.end() + 1]) or _CHANGED.search(sentence):
        return None
    kind = type_of(found)
    return None if kind in _SIGNALS else kind


def went_elsewhere(subject: str) -> bool:
    """Whether a subject tells of another error, or of something taken away: what stands below it is no symptom."""
    return bool(_OTHER_ERROR.search(subject) or _TAKES_AWAY.search(subject))


def printed(line: str) -> str | None:
    """The exception in a line that a traceback ends with, where the interpreter itself has worded it.

    >>> printed("AttributeError: 'NoneType' object has no attribute 'name'")
    'AttributeError'
    """
    found = _OWN_WORDS.search(line.strip())
    return type_of(found) if found is not None else None
