"""The examples in docs/api/reports.md give what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ems_ml.parse import ParserChain, default_parsers
from ems_ml.types import RawReport

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api" / "reports.md"
EXAMPLES = re.findall(r"```text\n(.*?)```\ngives `(.*?)` at `(.*?)`\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_every_example_says_what_it_gives() -> None:
    assert len(EXAMPLES) == PAGE.read_text(encoding="utf-8").count("```text") >= 8


@pytest.mark.parametrize(("text", "error", "place"), EXAMPLES, ids=[place for _, _, place in EXAMPLES])
def test_an_example_is_read_as_the_page_says(text: str, error: str, place: str) -> None:
    found = ParserChain(default_parsers()).parse(RawReport(text=text)).error
    last = found.frames[-1]
    assert (f"{found.type}: {found.message}", f"{last.file}:{last.line}") == (error, place)
