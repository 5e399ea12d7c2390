"""What is sold, and for how much."""

PRICES = {
    "tea-green": 4.50,
    "tea-black": 3.90,
    "cup-blue": 12.00,
    "cup-white": 11.00,
    "pot-iron": 49.00,
}

DISCOUNTS = {"gold": 0.10, "silver": 0.05}


def price_of(sku):
    if sku not in PRICES:
        raise LookupError(f"unknown article: {sku}")
    return PRICES[sku]


def discount_for(level):
    """The share taken off for a customer's level, 0 for levels without one."""
    return DISCOUNTS[level]


def cheapest(skus):
    """The cheapest of some articles."""
    return sorted(skus, key=price_of)[0]
