"""Runs the demo's shop into its real errors and prints their tracebacks as a JSON list, in order.

Called in a process of its own, `python shop_errors.py FOLDER`, where FOLDER holds the package `shop`, so that the
frames are those of an application and not of a test. `HOSTILE` is an error message as an attacker would write it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOSTILE = "<script>window.hurt=1</script><img src=x onerror='window.hurt=2'> **bold** [go](javascript:hurt) :smile: $x$"


def collect(folder: Path) -> list[str]:
    """Copy the demo's shop into `folder`, run it into its errors, and answer the tracebacks."""
    shop = Path(__file__).resolve().parents[2] / "ems_ml" / "service" / "demo_shop" / "shop"
    shutil.copytree(shop, folder / "shop", dirs_exist_ok=True)
    shutil.copy(__file__, folder / "day.py")
    done = subprocess.run(
        [sys.executable, "day.py"], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    texts: list[str] = json.loads(done.stdout)
    return texts


def day() -> list[Callable[[], Any]]:
    """What goes wrong in the shop, in order; the same cause several times over, by several callers."""
    from shop import catalogue, customers, orders, stock  # type: ignore[import-not-found]

    def order(number: int, name: str, *lines: str) -> Any:
        return orders.Order(number, customers.find_customer(name), [orders.parse_line(line) for line in lines])

    def checkout(number: int, name: str, *lines: str) -> Any:
        return orders.ship(order(number, name, *lines))

    def nightly_report(*days: Any) -> Any:
        return [orders.average_price(one) for one in days]

    def print_labels(*days: Any) -> Any:
        return [orders.label(one) for one in days]

    def letter(text: str) -> None:
        raise ValueError(text)

    def restock(path: str) -> str:
        return Path(path).read_text(encoding="utf-8")

    def quote(level: str) -> float:
        try:
            return float(catalogue.discount_for(level))
        except KeyError as error:
            raise RuntimeError(f"no price list for {level}") from error

    shelves = stock.Stock({"tea-green": 3, "tea-black": 5, "cup-blue": 0, "pot-iron": 1})
    return [
        lambda: checkout(103, "mei", "pot-iron"),
        lambda: checkout(105, "mei", "tea-green x1"),
        lambda: checkout(110, "mei", "tea-black x2"),
        lambda: orders.total(order(102, "ben", "tea-black x3")),
        lambda: orders.total(order(106, "ben", "cup-blue x2")),
        lambda: orders.parse_line("cup-blue xtwo"),
        lambda: order(108, "ana", "tea-green xthree"),
        lambda: nightly_report(order(104, "ana")),
        lambda: nightly_report(order(111, "ben")),
        lambda: print_labels(order(101, "ana", "tea-green x2")),
        lambda: print_labels(order(102, "ben", "tea-black x3")),
        lambda: shelves.take("cup-blue", 2),
        lambda: shelves.take("tea-green", 9),
        lambda: shelves.tidy(),
        lambda: orders.total(order(109, "zoe", "tea-black x1")),
        lambda: catalogue.price_of("kettle"),
        lambda: catalogue.cheapest(["tea-green", "mug"]),
        lambda: restock("/var/lib/shop/delivery-0417.csv"),
        lambda: quote("platinum"),
        lambda: letter(HOSTILE),
    ]


if __name__ == "__main__":
    texts = []
    for step in day():
        try:
            step()
        except Exception:
            texts.append(traceback.format_exc())
    json.dump(texts, sys.stdout)
