"use strict";

class NotFound extends Error {
  constructor(message) {
    super(message);
    this.name = "NotFound";
  }
}

class Stock {
  shelves = new Map();

  of(what, value) {
    if (what === "stock-undefined") return this.reserve(value);
    if (what === "stock-function") return this.count(value);
    if (what === "stock-missing") return this.find(value);
    return this.close();
  }

  reserve(name) {
    const shelf = this.shelves.get(name);
    return shelf.cents - 1;
  }

  count(name) {
    const size = this.shelves.total(name);
    return size;
  }

  find(name) {
    if (!this.shelves.has(name)) throw new NotFound(`not found: ${name}`);
    return this.shelves.get(name);
  }

  close() {
    if (!this.open) throw new Error("the store is not open");
  }
}

module.exports = { Stock, NotFound };
