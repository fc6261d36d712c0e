// Walks through the file of a store and prints what it found as JSON. A damaged file can end this process by a signal,
// which then tells the component as much. Plain JavaScript, because it also runs beside sources that are not built.
//
// Usage: node check-store.mjs FILE quick|full MILLISECONDS VERSION
// `quick`: all records, but no journals. `full`: journals too, for at most so many milliseconds.
// A store of another version than VERSION is not looked at, and not changed.
import { statSync } from "node:fs";
import { crc32 } from "node:zlib";
import { open } from "lmdb";

/** As `TABLE.journal` of keys.ts. */
const JOURNAL = 5;
const [file, mode, milliseconds, expected] = process.argv.slice(2);

const db = open(file, {
  ...{ readOnly: true, noSubdir: true, encoding: "binary", keyEncoding: "binary", maxDbs: 1 },
});
const { lastPageNumber, pageSize } = db.getStats();
// The file may rightly be shorter, if its last pages are free. The walk over everything shows whether it is.
const isShort = statSync(file).size < (lastPageNumber + 1) * pageSize;

/** As `unseal` of seal.ts. */
function isWhole(key, value) {
  return value.length >= 10 && value.readUInt32BE() === crc32(value.subarray(4), crc32(key));
}

/** Returns the version of the store. Undefined: it cannot be read. */
function versionOf() {
  const key = Buffer.from("\x01version");
  const value = db.get(key);
  if (value === undefined || !isWhole(key, value)) return undefined;
  // As `decodeRecord` of records.ts.
  return JSON.parse(value.subarray(10).toString()).version;
}

const version = versionOf();
if (version !== undefined && version !== Number(expected)) {
  process.stdout.write(JSON.stringify({ records: 0, entries: 0, version }));
  process.exit();
}

/** Returns the number of damaged values from one table to another. */
function walk(from, to, until) {
  let damaged = 0;
  for (const { key, value } of db.getRange({ start: Buffer.of(from), end: Buffer.of(to) })) {
    if (!isWhole(key, value)) damaged++;
    if (performance.now() > until) break;
  }
  return damaged;
}

const records = walk(0, JOURNAL, Infinity) + walk(JOURNAL + 1, 255, Infinity);
let entries = 0;
if (isShort || mode === "full") {
  const until = isShort ? Infinity : Number(milliseconds);
  entries = walk(JOURNAL, JOURNAL + 1, until);
}
await db.close();
// No key leads to the list of free pages, but a commit reads that list.
if (mode === "full" && records === 0) {
  const writable = open(file, {
    ...{ noSubdir: true, encoding: "binary", keyEncoding: "binary", maxDbs: 1 },
    ...{ overlappingSync: false, eventTurnBatching: false },
  });
  const key = Buffer.from("\x01checked");
  const value = Buffer.alloc(10);
  value.writeUInt32BE(crc32(value.subarray(4), crc32(key)));
  await writable.put(key, value);
  await writable.close();
}
process.stdout.write(JSON.stringify({ records, entries, version }));
