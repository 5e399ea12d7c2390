"use strict";
const { handle } = require("./lib/desk");
const { overAll } = require("./lib/report");
const { Nightly } = require("./lib/nightly");

/** Three ways into the same shop: at the till, in a report over all orders, and in a job at night. */
function main([entry, what, value]) {
  if (entry === "checkout") {
    return checkout(what, value);
  }
  if (entry === "report") {
    return overAll([what], value);
  }
  return new Nightly(what).run(value);
}

function checkout(what, value) {
  return handle(what, value);
}

main(process.argv.slice(2));
