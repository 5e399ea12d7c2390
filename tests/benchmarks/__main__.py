"""`make bench`: runs every benchmark beside this file, one after the other, and prints what each found.

`python -m tests.benchmarks [NAME ...] [--out FOLDER]` runs only those named (`rank`, `group`, ...). Each benchmark
prints a table with its baseline measured in the same run, and writes the same as JSON to the folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    known = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all where none is named")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="folder for the JSON files")
    options = parser.parse_args()
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    options.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in options.names or known:
        print(f"\n== {name} ==", flush=True)
        environment = os.environ | {"EMS_BENCH_OUT": str(options.out.resolve())}
        if subprocess.run([sys.executable, str(known[name])], check=False, env=environment).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
