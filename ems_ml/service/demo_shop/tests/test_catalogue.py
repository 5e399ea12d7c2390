import pytest
from shop.catalogue import cheapest, discount_for, price_of


def test_price():
    assert price_of("cup-blue") == 12.00


def test_unknown_article_is_refused():
    with pytest.raises(LookupError):
        price_of("moon")


def test_cheapest():
    assert cheapest(["cup-blue", "tea-black"]) == "tea-black"


def test_gold_customers_pay_less():
    assert discount_for("gold") == 0.10


def test_basic_customers_pay_the_full_price():
    assert not discount_for("basic")
