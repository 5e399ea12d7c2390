"""Customers and where they live."""

from dataclasses import dataclass


@dataclass
class Address:
    street: str
    city: str
    country: str = "PT"


@dataclass
class Customer:
    name: str
    email: str
    address: Address | None = None
    level: str = "basic"


CUSTOMERS = {
    "ana": Customer("Ana Sousa", "ana@example.com", Address("Rua das Flores 12", "Porto"), level="gold"),
    "ben": Customer("Ben Okafor", "ben@example.com", Address("Main St 4", "Dublin", "IE")),
    "mei": Customer("Mei Tanaka", "mei@example.com", level="silver"),
}


def find_customer(name):
    return CUSTOMERS.get(name)


def shipping_city(customer):
    """The city to ship to; None for customers who collect their goods at the shop."""
    return customer.address.city.upper()


def greeting(name):
    """How a letter to the customer begins; strangers are greeted as guests."""
    customer = find_customer(name)
    if customer is None:
        return "Dear guest"
    return f"Dear {customer.name}"
