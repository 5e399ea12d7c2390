"use strict";

class Pricing {
  prices = { tea: { cents: 300 }, mug: { cents: 900 } };

  of(what, value) {
    if (what === "price-undefined") return this.unitPrice(value);
    if (what === "price-high") return this.discount(Number(value));
    return this.discount(-Number(value));
  }

  unitPrice(name) {
    const price = this.prices[name];
    return price.cents * 2;
  }

  discount(share) {
    if (share > 90) {
      throw new RangeError(`discount of ${share} percent is too high`);
    }
    return new Array(share);
  }
}

module.exports = { Pricing };
