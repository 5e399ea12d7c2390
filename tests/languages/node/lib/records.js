"use strict";

function of(what, value) {
  if (what === "record-json") return read(`{"sku": ${value}`);
  if (what === "record-field") return field({ sku: value });
  if (what === "record-sku") return field({ quantity: 3, sku: `?${value}` });
  return weight(value);
}

function read(text) {
  return JSON.parse(text);
}

function field(record) {
  if (!("quantity" in record)) {
    throw new TypeError("the record has no quantity");
  }
  if (record.sku.startsWith("?")) {
    throw new TypeError(`the code ${record.sku} is not known`);
  }
}

function weight(value) {
  const kilos = value;
  kilos = Number(value);
  return kilos;
}

module.exports = { of };
