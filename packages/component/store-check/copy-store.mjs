// Copies a store into a new directory, also while the component runs. Plain JavaScript, as check-store.mjs.
//
// Usage: node copy-store.mjs DIRECTORY COPY
// The copy is the state of one commit: LMDB keeps what this program still reads. The file `restored` in the copy makes a
// component that starts with the copy give each service a new epoch.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { open } from "lmdb";

const [from, to, ...more] = process.argv.slice(2);
if (from === undefined || to === undefined || more.length > 0)
  fail("usage: node copy-store.mjs DIRECTORY COPY", 2);
const file = join(from, "data.mdb");
if (!existsSync(file)) fail(`${from} has no data.mdb: it is not the directory of a store`);
if (existsSync(to) && readdirSync(to).length > 0) fail(`${to} is not empty: name a new directory`);

mkdirSync(to, { recursive: true, mode: 0o700 });
const db = open(file, { readOnly: true, noSubdir: true, encoding: "binary", maxDbs: 1 });
const copy = join(to, "data.mdb");
await db.backup(copy);
await db.close();
writeFileSync(join(to, "restored"), "");
// What a backup says it has must survive a power cut.
for (const path of [copy, to]) {
  const fd = openSync(path, "r");
  fsyncSync(fd);
  closeSync(fd);
}

function fail(text, code = 1) {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}
