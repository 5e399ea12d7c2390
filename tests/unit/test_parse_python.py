"""Python tracebacks in a text: what the parser reads from what real programs print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ems_ml.parse import ParserChain, default_parsers
from ems_ml.types import ErrorEvent, RawReport


def parse(text: str) -> ErrorEvent:
    return ParserChain(default_parsers()).parse(RawReport(text=text))


PROGRAM = """
import asyncio

class Refused(Exception):
    pass

def read():
    try:
        {}["key"]
    except KeyError as error:
        raise Refused("first line\\nsecond line") from error

async def one():
    read()

async def two():
    raise OSError(2, "no such thing")

async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(one())
        group.create_task(two())

asyncio.run(main())
"""


def test_an_exception_group_of_a_real_program_with_its_members_and_their_causes(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM, encoding="utf-8")
    ran = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    event = parse(ran.stderr)
    assert (event.error.type, event.error.frames[0].function) == ("ExceptionGroup", "<module>")
    assert event.error.message == "unhandled errors in a TaskGroup (2 sub-exceptions)"
    assert [(record.relation, record.type, record.message) for record in event.chain] == [
        ("member", "Refused", "first line\nsecond line"),
        ("cause", "KeyError", "'key'"),
        ("member", "FileNotFoundError", "[Errno 2] no such thing"),
    ]
    assert [(frame.function, frame.code) for frame in event.chain[0].frames] == [
        ("one", "read()"),
        ("read", 'raise Refused("first line\\nsecond line") from error'),
    ]
