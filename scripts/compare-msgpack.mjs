// Compares `packages/wire/src/msgpack` with @msgpack/msgpack behind the same contract, in one run on the same values:
// the rows of the 22 data sets of `bench codec`, and the frames that a link receives and sends most often.
// docs/background/decisions.md ("msgpack by our own code") has the table. Needs a build: `npm run setup`.
import { Decoder, Encoder } from "@msgpack/msgpack";
import { createRows, ROW_SETS } from "../packages/bench/dist/workloads/rows.js";
import { decodeFrame, encodeFrame } from "../packages/wire/dist/frames/frame-codec.js";
import { DEFAULT_LIMITS as LIMITS } from "../packages/wire/dist/index.js";
import { measureValue } from "../packages/wire/dist/msgpack/msgpack-measure.js";
import { decodeMsgpack } from "../packages/wire/dist/msgpack/msgpack-reader.js";
import { encodeElements, encodeUpdate } from "../packages/wire/dist/msgpack/update.js";

const ROUNDS = 15;
const VALUES_PER_ROUND = 2_000;

/** The library writes -0 as 0. Its types call this method private, so a subclass in TypeScript needs a cast. */
class SignedZeroEncoder extends Encoder {
  encodeNumber(value) {
    if (Object.is(value, -0)) this.encodeNumberAsFloat(value);
    else super.encodeNumber(value);
  }
}
const encoder = new SignedZeroEncoder({ maxDepth: LIMITS.maxDepth + 1, initialBufferSize: 4_096 });
const decoder = new Decoder();

let items = 0;
let bytes = 0;

function count(more) {
  bytes += more;
  if (bytes > LIMITS.maxUpdateBytes) throw new Error("too large");
}

/**
 * What the library leaves to its caller: types, bounds, lone surrogates. It returns a copy, because a getter may return
 * something else when the encoder reads it a second time.
 */
function prepared(value, depth) {
  count(1);
  if (++items > LIMITS.maxItems) throw new Error("too many items");
  switch (typeof value) {
    case "boolean":
      return value;
    case "number":
      return value;
    case "string":
      count(value.length);
      if (!value.isWellFormed()) throw new Error("a lone surrogate");
      return value;
    case "object":
      break;
    default:
      throw new Error(`of type ${typeof value}`);
  }
  if (value === null) return null;
  if (value instanceof Uint8Array) {
    count(value.length);
    return value;
  }
  if (depth === LIMITS.maxDepth) throw new Error("too deep");
  if (Array.isArray(value)) {
    const copy = [];
    for (let i = 0; i < value.length; i++) copy.push(prepared(value[i] ?? null, depth + 1));
    return copy;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) throw new Error("an instance");
  const copy = {};
  for (const key of Object.keys(value)) {
    if (value[key] === undefined) continue;
    if (key === "__proto__") throw new Error("a key that the decoder refuses");
    items++;
    count(key.length);
    copy[key] = prepared(value[key], depth + 1);
  }
  return copy;
}

function encodeByLibrary(value) {
  items = 0;
  bytes = 0;
  return encoder.encode(prepared(value, 0));
}

/** A frame as an array, each number checked to be an integer from 0: the least that a reader of frames must know. */
function frameByLibrary(frame) {
  const elements = decoder.decode(frame);
  if (!Array.isArray(elements)) throw new Error("not an array");
  for (const element of elements)
    if (typeof element === "number" && !(Number.isSafeInteger(element) && element >= 0))
      throw new Error("not an integer");
  return { type: elements[0], alias: elements[1], third: elements[2], fourth: elements[3] };
}

function nanoseconds(work, inputs) {
  const passes = Math.ceil(VALUES_PER_ROUND / inputs.length);
  const before = process.hrtime.bigint();
  for (let pass = 0; pass < passes; pass++) for (const input of inputs) work(input);
  return Number(process.hrtime.bigint() - before) / passes / inputs.length;
}

/** Least time of one input for each way of working; the ways take turns, so that they meet the same machine. */
function compare(inputs, ...ways) {
  const least = ways.map(() => Infinity);
  for (let round = 0; round < ROUNDS; round++)
    ways.forEach((work, i) => (least[i] = Math.min(least[i], nanoseconds(work, inputs))));
  return least;
}

const ratio = (ours, theirs) => (theirs / ours).toFixed(2);
const line = (...cells) => console.log(`| ${cells.join(" | ")} |`);

line("data set", "encoding", "decoding");
line("---", "---:", "---:");
const sums = { encode: [0, 0], decode: [0, 0] };
for (const id of ROW_SETS) {
  const values = createRows(id).slice(0, 200);
  const rows = values.map((value) => encodeUpdate(value, LIMITS));
  const encode = compare(values, (value) => encodeUpdate(value, LIMITS), encodeByLibrary);
  const decode = compare(rows, decodeMsgpack, (row) => decoder.decode(row));
  line(id, ratio(...encode), ratio(...decode));
  for (const i of [0, 1]) {
    sums.encode[i] += encode[i];
    sums.decode[i] += decode[i];
  }
}
line("**sum of the 22**", `**${ratio(...sums.encode)}**`, `**${ratio(...sums.decode)}**`);

for (const frame of [
  { type: "ack", stanzas: 123_456 },
  { type: "coded", form: "chained", alias: 5, payload: new Uint8Array(12).fill(7) },
  { type: "kept", alias: 3, incarnation: 12_345_678, sequence: 4_711 },
  { type: "credit", alias: 2, total: 9_000 },
]) {
  const padded = encodeFrame(frame);
  const whole = padded.subarray(0, measureValue(padded, 0, LIMITS));
  const elements = decoder.decode(whole);
  const encode = compare([elements], encodeElements, (value) => encoder.encode(value));
  const decode = compare([whole], (block) => decodeFrame(block, LIMITS), frameByLibrary);
  line(`frame ${frame.type}`, ratio(...encode), ratio(...decode));
}
