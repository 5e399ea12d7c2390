"""Runs the small programs beside this file and writes the traces that they print, each with its true cause.

    python tests/languages/make.py --out tests/languages/traces.jsonl [--only java,node,go,gdb,sanitizer] [--few]

One line each: `{"id", "text", "language", "cause", "project", "version", "entry", "type", "function"}`. Each fault is
reached in three ways (`checkout`, `report`, `nightly`: another file, another caller, a thread or a later turn of the
event loop) in two versions of the program. The second version is the first one with lines put in before every file's
own, and with some functions renamed (`causes.RENAMED`), among them some that fail and one that calls all the others.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from causes import GDB, GO, JAVA, NODE, RENAMED, SANITIZER, Cause

HERE = Path(__file__).resolve().parent
ENTRIES = ("checkout", "report", "nightly")
#: Where the programs claim to stand, whatever folder they were run in.
HOME = "/srv/shop"
_FLAGS = ["-g", "-O0", "-w", "-pthread", "-fno-omit-frame-pointer"]


@dataclass(frozen=True)
class Kind:
    """A kind of trace: the program's folder, its faults, the tools it needs, how it is built and asked."""

    program: str
    language: str
    causes: tuple[Cause, ...]
    tools: tuple[str, ...]
    build: Callable[[Path], list[list[str]]]
    ask: Callable[[Path, list[str]], list[str]]
    environment: dict[str, str]

    def missing(self) -> list[str]:
        return [tool for tool in self.tools if shutil.which(tool) is None]


def _sources(folder: Path, pattern: str) -> list[str]:
    return sorted(str(path) for path in folder.rglob(pattern))


KINDS: dict[str, Kind] = {
    "java": Kind(
        "java", "java", JAVA, ("javac", "java"),
        lambda at: [["javac", "-g", "-d", str(at / "classes"), *_sources(at, "*.java")]],
        lambda at, asked: [
            "java", "-XX:MaxJavaStackTraceDepth=120", "-Xss400k", "-XX:TieredStopAtLevel=1",
            "-cp", str(at / "classes"), "com.example.shop.Main", *asked,
        ],
        {},
    ),
    "node": Kind(
        "node", "javascript", NODE, ("node",),
        lambda at: [], lambda at, asked: ["node", str(at / "main.js"), *asked], {},
    ),
    "go": Kind(
        "go", "go", GO, ("go",),
        lambda at: [["go", "build", "-o", str(at / "shop"), "."]],
        lambda at, asked: [str(at / "shop"), *asked], {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"},
    ),
    "gdb": Kind(
        "native", "native", GDB, ("g++", "gdb"),
        lambda at: [["g++", *_FLAGS, "-o", str(at / "shop"), *_sources(at, "*.cpp")]],
        lambda at, asked: [
            "gdb", "-batch", "-nx", "-ex", "set width 0", "-ex", "run", "-ex", "bt 40", "--args",
            str(at / "shop"), *asked,
        ],
        {},
    ),
    "sanitizer": Kind(
        "native", "native", SANITIZER, ("g++",),
        lambda at: [
            ["g++", *_FLAGS, "-fsanitize=address,undefined", "-fno-sanitize=null,bounds,integer-divide-by-zero",
             "-fno-sanitize-recover=undefined", "-o", str(at / "shop"), *_sources(at, "*.cpp")]
        ],
        lambda at, asked: [str(at / "shop"), *asked],
        {"ASAN_OPTIONS": "handle_abort=1", "UBSAN_OPTIONS": "print_stacktrace=1"},
    ),
}  # fmt: skip


def make(name: str, folder: Path, *, few: bool = False) -> Iterator[dict[str, str]]:
    """Build both versions of one kind's program in `folder`, and run all its faults (`few`: each once)."""
    kind = KINDS[name]
    for version in ("1", "2"):
        at = folder / name / f"v{version}"
        shutil.copytree(HERE / kind.program, at)
        if version == "2":
            for path in at.rglob("*.*"):
                if path.suffix in (".java", ".js", ".go", ".cpp", ".h"):
                    path.write_text(_second(path.read_text(encoding="utf-8"), path.name, kind), encoding="utf-8")
        environment = {**os.environ, **kind.environment, "GOCACHE": str(folder / "cache"), "LC_ALL": "C"}
        for command in kind.build(at):
            subprocess.run(command, cwd=at, env=environment, check=True)
        for number, cause in enumerate(kind.causes):
            for place, entry in enumerate(ENTRIES):
                if few and (number % 2 == int(version) - 1 or place != number % 3):
                    continue
                ran = subprocess.run(
                    kind.ask(at, [entry, cause.what, cause.values[place]]), cwd=at, env=environment,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    text=True, check=False, timeout=120,
                )  # fmt: skip
                told = ran.stdout.replace(str(at), HOME)
                owner, dot, last = cause.function.replace("::", ".").rpartition(".")
                renamed = RENAMED[kind.program].get(last, last) if version == "2" else last
                yield {
                    "id": f"{name}-{cause.what}-{entry}-v{version}",
                    "text": told,
                    "language": kind.language,
                    "cause": f"{name}:{cause.what}",
                    "project": f"shop-{name}",
                    "version": version,
                    "entry": entry,
                    "type": cause.type,
                    "function": (owner + dot).replace(".", "::" if kind.program == "native" else ".") + renamed
                    if kind.program != "go"
                    else f"{owner}{dot}{renamed}",
                }


def _second(source: str, name: str, kind: Kind) -> str:
    """The second version of one file: other lines, other names."""
    for before, after in RENAMED[kind.program].items():
        source = re.sub(rf"\b{before}\b", after, source)
    return "// Changed since.\n" * (1 + len(name) % 5) + source


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the small programs, and keep what they print.")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--few", action="store_true", help="each fault once instead of six times")
    options = parser.parse_args()
    rows: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="ems-languages-") as folder:
        for name in options.only.split(","):
            if missing := KINDS[name].missing():
                print(f"{name}: left out, {', '.join(missing)} not found", file=sys.stderr)
                continue
            made = list(make(name, Path(folder), few=options.few))
            print(f"{name}: {len(made)} traces of {len({row['cause'] for row in made})} causes", file=sys.stderr)
            rows.extend(made)
    with options.out.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    main()
