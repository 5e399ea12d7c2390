"""What lies on the shelves."""


class Stock:
    def __init__(self, shelves):
        self.shelves = dict(shelves)

    def take(self, sku, quantity):
        left = self.shelves.get(sku, 0)
        if quantity > left:
            raise ValueError(f"only {left} of {sku} left, {quantity} wanted")
        self.shelves[sku] = left - quantity

    def tidy(self):
        """Drops empty shelves and tells how many there were."""
        dropped = 0
        for sku, count in self.shelves.items():
            if count == 0:
                del self.shelves[sku]
                dropped += 1
        return dropped
