"""Readings of a meter; typed, and in another author's style."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

LINE = re.compile(r"(?P<name>\w+)\s*=\s*(?P<value>-?\d+(?:\.\d+)?)")


@dataclass
class Reading:
    name: str
    value: float
    unit: str | None = None
    notes: list[str] = field(default_factory=list)

    def scaled(self, factor: float) -> "Reading":
        return Reading(self.name, self.value * factor, self.unit, self.notes.copy())

    def label(self) -> str:
        return self.name + ": " + str(self.value) + (self.unit or "")


def parse(line: str) -> Reading | None:
    match = LINE.match(line.strip())
    if match is None:
        return None
    return Reading(match["name"], float(match["value"]))


def parse_all(lines: Iterable[str]) -> list[Reading]:
    found: list[Reading] = []
    for number, line in enumerate(lines, start=1):
        reading = parse(line)
        if reading is None:
            continue
        reading.notes.append("line " + str(number))
        found.append(reading)
    return found


def mean(values: list[float]) -> float:
    if len(values) == 0:
        return 0.0
    total = sum(values)
    return total / len(values)


def spread(values: list[float]) -> float:
    centre = mean(values)
    squares = [(value - centre) ** 2 for value in values]
    return math.sqrt(mean(squares))


def smooth(values: list[float], width: int = 3) -> list[float]:
    result = []
    for index in range(len(values)):
        start = max(0, index - width + 1)
        window = values[start : index + 1]
        result.append(mean(window))
    return result


def as_number(value: object) -> float:
    if isinstance(value, Reading):
        return value.value
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str) and value:
        return float(value.replace(",", "."))
    raise TypeError(f"no number: {value!r}")


def at(values: list[float], index: int) -> float | None:
    return values[index] if 0 <= index < len(values) else None
