"""Works through a day's orders. What goes wrong is reported by an ordinary sentry-sdk, as in any application."""

import logging
import os

import sentry_sdk
from shop import customers, orders, stock

log = logging.getLogger("shop")

INBOX = [
    (101, "ana", ["tea-green x2", "cup-blue"]),
    (102, "ben", ["tea-black x3"]),
    (103, "mei", ["pot-iron", "cup-white x2"]),
    (104, "ana", []),
    (105, "mei", ["tea-green x1"]),
    (106, "ben", ["cup-blue x2", "tea-green"]),
    (107, "ana", ["cup-blue xtwo"]),
    (108, "ben", []),
    (109, "zoe", ["tea-black x1"]),
    (110, "mei", ["tea-black x2"]),
]


def take_order(number, name, lines):
    return orders.Order(number, customers.find_customer(name), [orders.parse_line(line) for line in lines])


def web_checkout(order):
    return orders.ship(order)


def nightly_report(day):
    return [orders.average_price(order) for order in day]


def print_labels(day):
    return [orders.label(order) for order in day]


def attempt(step, *args):
    """Does one step; an error is reported and the day goes on."""
    try:
        return step(*args)
    except Exception as error:
        sentry_sdk.capture_exception(error)
        return None


def main():
    sentry_sdk.init(dsn=os.environ["SENTRY_DSN"], release="shop@1.4.0", environment="production")
    shelves = stock.Stock({"tea-green": 3, "tea-black": 5, "cup-blue": 0, "cup-white": 0, "pot-iron": 1})
    day = []
    for number, name, lines in INBOX:
        order = attempt(take_order, number, name, lines)
        if order is not None:
            day.append(order)
            attempt(web_checkout, order)
            attempt(orders.total, order)
            for sku, quantity in order.lines:
                attempt(shelves.take, sku, quantity)
    for order in day:
        attempt(nightly_report, [order])
        attempt(print_labels, [order])
    attempt(shelves.tidy)
    log.error("the day ended with %s of %s orders taken", len(day), len(INBOX))
    sentry_sdk.flush(timeout=10)


if __name__ == "__main__":
    main()
