import pytest
from shop.stock import Stock


def test_take():
    stock = Stock({"tea-green": 3})
    stock.take("tea-green", 2)
    assert stock.shelves == {"tea-green": 1}


def test_not_more_than_there_is():
    with pytest.raises(ValueError, match="only 1"):
        Stock({"cup-blue": 1}).take("cup-blue", 2)


def test_tidy_leaves_full_shelves_alone():
    assert Stock({"tea-green": 3}).tidy() == 0


def test_tidy_drops_empty_shelves():
    stock = Stock({"tea-green": 0, "cup-blue": 1, "pot-iron": 0})
    assert stock.tidy() == 2
    assert stock.shelves == {"cup-blue": 1}
