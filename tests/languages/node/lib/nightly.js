"use strict";
const { handle } = require("./desk");

class Nightly {
  constructor(what) {
    this.what = what;
  }

  async run(value) {
    await this.wait();
    return this.work(value);
  }

  async wait() {
    return new Promise((resolve) => setImmediate(resolve));
  }

  work(value) {
    return handle(this.what, value);
  }
}

module.exports = { Nightly };
