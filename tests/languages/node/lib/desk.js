"use strict";
const { Pricing } = require("./pricing");
const { Stock } = require("./stock");
const records = require("./records");
const orders = require("./orders");

/** Takes a request to the part of the shop that answers it. */
function handle(what, value) {
  const part = what.split("-")[0];
  if (part === "price") return new Pricing().of(what, value);
  if (part === "stock") return new Stock().of(what, value);
  if (part === "record") return records.of(what, value);
  return orders.of(what, value);
}

module.exports = { handle };
