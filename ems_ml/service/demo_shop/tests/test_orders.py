import pytest
from shop.customers import CUSTOMERS
from shop.orders import Order, average_price, label, parse_line, ship, total


@pytest.fixture
def order():
    return Order(17, CUSTOMERS["ana"], [("tea-green", 2), ("cup-blue", 1)])


def test_parse_line():
    assert parse_line("tea-green x2") == ("tea-green", 2)
    assert parse_line("pot-iron") == ("pot-iron", 1)


def test_total(order):
    assert total(order) == 18.90


def test_average_price(order):
    assert average_price(order) == 7.00


def test_average_price_of_an_empty_order():
    assert not average_price(Order(18, CUSTOMERS["ana"]))


def test_label(order):
    assert label(order) == "Order 17 for Ana Sousa"


def test_ship(order):
    assert ship(order) == {"number": 17, "city": "PORTO", "total": 18.90}
