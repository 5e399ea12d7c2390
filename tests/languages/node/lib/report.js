"use strict";
const { handle } = require("./desk");

function overAll(kinds, value) {
  kinds.map((kind) => kind.trim()).forEach((kind) => line(kind, value));
}

const line = (kind, value) => {
  const answer = handle(kind, value);
  return answer;
};

module.exports = { overAll };
