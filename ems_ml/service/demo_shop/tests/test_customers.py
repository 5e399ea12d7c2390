from shop.customers import CUSTOMERS, find_customer, greeting, shipping_city


def test_find():
    assert find_customer("ana").name == "Ana Sousa"
    assert find_customer("nobody") is None


def test_city_is_written_in_capitals():
    assert shipping_city(CUSTOMERS["ben"]) == "DUBLIN"


def test_no_city_for_who_collects_at_the_shop():
    assert shipping_city(CUSTOMERS["mei"]) is None


def test_greeting():
    assert greeting("ben") == "Dear Ben Okafor"
    assert greeting("nobody") == "Dear guest"
