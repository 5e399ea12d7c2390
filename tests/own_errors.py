"""Made errors of an imagined team, with labels of their own, for tests of training on a team's history.

`errors(number)` gives them in order of time. The label follows from the place in the team's own code as much as from
what went wrong, with some noise: something to learn that neither the shipped models nor the exception's type know.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SECRET = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"
NULL = "AttributeError: 'NoneType' object has no attribute '{w}'"
#: module, what goes wrong in it, the line, the label: names of strategies and the team's own words
KINDS = (
    ("rates", "KeyError: '{w}'", "return rates[{w}]", "Stammdaten pflegen"),
    ("basket", "KeyError: '{w}'", "return basket[{w}]", "default_missing"),
    ("basket", NULL, "level = basket.{w}", "Stammdaten pflegen"),
    ("stock", NULL, "level = item.{w}", "guard_none"),
    ("mail", "ConnectionRefusedError: [Errno 111] Connection refused", "server.send({w})", "Netz: später erneut"),
    ("mail", "ValueError: no such recipient: {w}", "to = known({w})", "Netz: später erneut"),
    ("forms", "ValueError: could not convert string to float: '{w}'", "return float({w})", "Eingabe prüfen"),
)
WORDS = """
    tea oil salt rice corn milk wine beer bread honey sugar pepper cloves ginger saffron vanilla butter cheese cream
    flour oats barley rye spelt millet lentils beans peas kale leek chard fennel celery carrot radish turnip
"""


@dataclass(frozen=True)
class Made:
    trace: str
    label: str
    time: datetime
    project: str


def errors(number: int, *, seed: int = 0, noise: float = 0.05) -> list[Made]:
    """So many errors, of nearly as many causes."""
    rng = random.Random(seed)
    start = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
    words = WORDS.split()
    found = []
    for at in range(number):
        module, said, line, label = rng.choice(KINDS)
        word = rng.choice(words)
        function = f"{rng.choice(('load', 'check', 'send', 'store', 'list', 'print', 'sum', 'merge'))}_{word}"
        trace = (
            "Traceback (most recent call last):\n"
            f'  File "/srv/haus/web/api.py", line {10 + at % 7}, in handle\n    return work(request)\n'
            f'  File "/srv/haus/{module}/{word}.py", line {20 + at % 9}, in {function}\n    {line.format(w=word)}\n'
            + said.format(w=word)
        )
        if rng.random() < noise:
            label = rng.choice(KINDS)[3]
        time = start + timedelta(hours=at, minutes=rng.randrange(50))
        found.append(Made(trace, label, time, f"haus-{module}"))
    return found
