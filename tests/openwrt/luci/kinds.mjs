// Says of rows of options and values whether kinds.js accepts them:  node kinds.mjs kinds.js options.js < VALUES
//
// VALUES: {"name": [value, …], …}; prints {"name": [true, …], …}.

import { readFileSync } from "node:fs";

String.prototype.format = function (...values) {
  return this.replace(/%d/g, () => values.shift());
};

const load = (file) => new Function("baseclass", "_", readFileSync(file, "utf8"))({ extend: (made) => made }, (text) => text);
const [kinds, options] = process.argv.slice(2).map(load);
const values = JSON.parse(readFileSync(0, "utf8"));
const found = Object.entries(values).map(([name, each]) => {
  const row = options.rows.find((option) => option.name === name);
  return [name, each.map((value) => kinds.accepts(row, value))];
});
process.stdout.write(JSON.stringify(Object.fromEntries(found)));
