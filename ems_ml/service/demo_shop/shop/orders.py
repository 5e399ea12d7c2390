"""Orders: from lines of text to totals."""

from dataclasses import dataclass, field

from shop.catalogue import discount_for, price_of
from shop.customers import shipping_city


@dataclass
class Order:
    number: int
    customer: object
    lines: list = field(default_factory=list)  # (sku, quantity)


def parse_line(text):
    """Reads `tea-green x2`; a line without quantity means one."""
    sku, _, quantity = text.partition(" x")
    return sku.strip(), int(quantity or "1")


def subtotal(order):
    return sum(price_of(sku) * quantity for sku, quantity in order.lines)


def average_price(order):
    """The average price of one piece, 0 for an order without lines."""
    pieces = sum(quantity for _, quantity in order.lines)
    return subtotal(order) / pieces


def total(order):
    return round(subtotal(order) * (1 - discount_for(order.customer.level)), 2)


def label(order):
    """The text on the parcel."""
    return "Order " + order.number + " for " + order.customer.name


def ship(order):
    return {"number": order.number, "city": shipping_city(order.customer), "total": total(order)}
