import fc from "fast-check";
import { createHello, DATA_FORMS, ERRORS, MAX_ALIAS, SERVICE_KINDS } from "../src/index.js";
import type { ErrorCode, Frame, Value } from "../src/index.js";

const alias = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: MAX_ALIAS }));
const uint = fc.oneof(fc.maxSafeNat(), fc.nat(), fc.nat(300));
const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const code = fc.constantFrom(...(Object.keys(ERRORS) as ErrorCode[]));
const text = fc.string({ unit: "binary", maxLength: 200 });
const uintOrNull = fc.option(uint, { nil: null });

/** Up to one block's worth. */
export const bytes = (maxLength = 300): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });

const range = fc
  .tuple(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), fc.nat(5_000))
  .map(([to, before]) => ({ from: Math.max(1, to - before), to }));

export const dataFrame = fc
  .record({
    type: fc.constant("data" as const),
    alias,
    form: fc.constantFrom(...DATA_FORMS),
    epoch: uint,
    range,
    at: uint,
    spanMs: uint,
    payload: bytes(),
  })
  .map(({ range, ...rest }) => ({ ...rest, ...range }));

const snapshotFrame = fc
  .record({
    type: fc.constant("snapshot" as const),
    alias,
    epoch: uint,
    range,
    begins: fc.boolean(),
    isEmpty: fc.boolean(),
    left: uint,
    form: fc.constantFrom("rows" as const, "coded" as const),
    payload: bytes(),
  })
  .map(({ range: { from, to }, begins, isEmpty, ...rest }) => ({
    ...{ ...rest, begins, from: begins ? 1 : from, to: isEmpty ? (begins ? 0 : from - 1) : to },
  }));

const keyRange = fc.nat(8).chain((depth) => fc.nat(16 ** depth - 1).map((prefix) => 16 ** depth + prefix));
const digestFrame = fc
  .record({
    ...{ type: fc.constant("digest" as const), alias, epoch: uint, position: uint, range: keyRange },
    ...{
      intervalMs: uint,
      form: fc.constantFrom(8, 64, 2),
      sums: fc.uint8Array({ minLength: 64, maxLength: 64 }),
    },
  })
  .map(({ form, sums, ...rest }) => ({
    ...rest,
    sums: sums.slice(0, rest.range < 16 ** 8 ? form : 8),
  }));
const repairFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    ...{ type: fc.constant("repair" as const), role: fc.constant("request" as const), alias },
    ranges: fc.uniqueArray(keyRange, { maxLength: 16 }),
    sums: fc.constant(null),
  }),
  fc.record({
    ...{ type: fc.constant("repair" as const), role: fc.constant("request" as const), alias },
    ranges: fc.constantFrom([1], [28], [451]),
    sums: fc.uint8Array({ minLength: 64, maxLength: 64 }),
  }),
  fc.record({
    ...{ type: fc.constant("repair" as const), role: fc.constant("entries" as const), alias, epoch: uint },
    ...{ position: uint, range: keyRange },
    ...{ form: fc.constantFrom("rows" as const, "coded" as const), payload: bytes() },
  }),
);

const position = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const coded = { type: fc.constant("coded" as const), alias, payload: bytes() };

const codedFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ ...coded, form: fc.constant("chained" as const) }),
  fc.record({
    ...coded,
    form: fc.constant("wide" as const),
    chain: uint32,
    epoch: uint,
    from: position,
    check: uint32,
  }),
  fc.record({
    ...coded,
    form: fc.constantFrom("key" as const, "map" as const),
    chain: uint32,
    epoch: uint,
    from: position,
  }),
  fc.record({ ...coded, form: fc.constant("independent" as const), epoch: uint, from: position }),
);

const options = fc.array(fc.tuple(fc.string({ unit: "binary", maxLength: 40 }), text), { maxLength: 6 });
const aliases = fc.array(alias, { maxLength: 40 });

/** Requests by frame, and their answers. */
const requestFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    type: fc.constant("subscribe" as const),
    request: uint32,
    nodes: fc.array(text, { maxLength: 10 }),
    options,
  }),
  fc.record({
    type: fc.constant("change" as const),
    request: uint32,
    aliases,
    patterns: fc.array(uint32, { maxLength: 3 }),
    options: fc.option(options, { nil: null }),
  }),
  fc.record({
    type: fc.constant("resume" as const),
    request: uint32,
    token: bytes(64),
    more: fc.boolean(),
    positions: fc.array(fc.record({ alias, epoch: uint, offset: uint }), { maxLength: 10 }),
  }),
  fc
    .tuple(
      uint32,
      options,
      fc.boolean(),
      fc.array(fc.tuple(alias, uint, uint, fc.constantFrom(true, false, null)), { maxLength: 10 }),
    )
    .map(([request, granted, begun, of]) => ({
      type: "grant" as const,
      request,
      aliases: of.map(([it]) => it),
      options: granted,
      positions: begun ? of.map(([, epoch, offset, recovered]) => ({ epoch, offset, recovered })) : null,
    })),
  fc.record({
    type: fc.constant("refused" as const),
    request: uint32,
    targets: aliases,
    code,
    text,
    retryAfterMs: uintOrNull,
  }),
  fc.record({ type: fc.constant("done" as const), request: uint32 }),
);

/** CALL and RESULT. Their values are numbers, as one byte of msgpack. */
const callFrame: fc.Arbitrary<Frame> = fc
  .tuple(
    fc.record({
      ...{ type: fc.constant("call" as const), alias, call: uint32, timeoutMs: uint },
      id: fc.uint8Array({ minLength: 1, maxLength: 16 }),
      caller: fc.option(text, { nil: null }),
    }),
    fc.option(fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 64 }), { nil: undefined }),
    fc.nat(127),
  )
  .map(([head, method, number]) =>
    method === undefined
      ? { ...head, again: true }
      : { ...head, again: false, method, args: Uint8Array.of(number) },
  );
const resultFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    ...{ type: fc.constant("result" as const), call: uint32, ok: fc.constant(true as const) },
    result: fc.nat(127).map((number) => Uint8Array.of(number)),
  }),
  fc.record({
    ...{ type: fc.constant("result" as const), call: uint32, ok: fc.constant(false as const) },
    ...{ code, text, retryAfterMs: uintOrNull },
  }),
);

export const frame: fc.Arbitrary<Frame> = fc.oneof(
  codedFrame,
  requestFrame,
  callFrame,
  resultFrame,
  fc.record({
    type: fc.constant("hello" as const),
    version: fc.constant(1),
    maxBlockBytes: uint,
    maxInflatedBytes: uint,
    maxStanzaBytes: uint,
    codecs: fc.subarray([...DATA_FORMS, "coded" as const, "map" as const]),
    hop: fc.constantFrom("plain" as const, "compressed" as const),
    token: fc.option(bytes(64), { nil: null }),
    lean: fc.option(fc.record({ tag: fc.option(fc.nat(63), { nil: null }) }), { nil: null }),
  }),
  fc
    .boolean()
    .map((lists): Frame => createHello(lists ? { kept: true, maps: true, calls: true, digests: true } : {})),
  fc.record({
    type: fc.constant("bind" as const),
    role: fc.constant("subscription" as const),
    alias,
    node: text,
    subid: fc.string({ unit: "binary-ascii", maxLength: 64 }),
    kind: fc.constantFrom(...SERVICE_KINDS),
    baseAt: uint,
  }),
  fc.record({
    type: fc.constant("bind" as const),
    role: fc.constant("service" as const),
    alias,
    node: text,
    incarnation: uint,
    sequence: uint,
  }),
  dataFrame,
  snapshotFrame,
  digestFrame,
  repairFrame,
  fc.record({ type: fc.constant("ack" as const), stanzas: uint32 }),
  fc.record({ type: fc.constant("kept" as const), alias, incarnation: uint, sequence: uint }),
  fc.record({ type: fc.constant("credit" as const), alias, total: uint }),
  fc.record({ type: fc.constant("credit" as const), alias: fc.constant(null), total: uint32 }),
  fc.record({ type: fc.constant("demand" as const), alias, subscribers: uint, windowMs: uintOrNull }),
  fc.record({
    type: fc.constant("status" as const),
    alias,
    status: fc.constantFrom("online" as const, "offline" as const, "paused" as const),
    windowMs: uintOrNull,
  }),
  fc.record({
    type: fc.constant("error" as const),
    alias: fc.option(alias, { nil: null }),
    code,
    text,
    retryAfterMs: uintOrNull,
  }),
  fc.record({
    type: fc.constant("envelope" as const),
    word: fc.constantFrom("confirm" as const, "ask" as const, "granted" as const, "resume" as const),
    value: uint32,
  }),
  fc.record({
    type: fc.constant("nodes" as const),
    siblings: fc.array(fc.record({ domain: text, weight: fc.nat(10_000) }), { maxLength: 10 }),
  }),
  fc.record({ type: fc.constant("bye" as const), code, text }),
);

/** Any JavaScript string: lone surrogates too. */
const anyText = fc.array(fc.nat(0xffff), { maxLength: 20 }).map((units) => String.fromCharCode(...units));

const key = fc.oneof(
  fc.constantFrom("a", "b", "1", "__proto__"),
  fc.string({ unit: "binary", maxLength: 12 }),
  anyText,
);

/** Everything an update may carry: `Value`. */
export const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.float(),
    fc.integer({ min: -10_000, max: 10_000 }).map((n) => n / 100),
    fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 1e21, 2 ** 53),
    fc.constantFrom(127, 128, 255, 256, 65_535, 65_536, -32, -33, -128, -129),
    fc.constantFrom("red", "green", "blue", "2026-11-23T10:00:00Z", "1.50", "-7"),
    anyText,
    fc.string({ unit: "binary", maxLength: 300 }),
    bytes(),
    fc.array(tie("value"), { maxLength: 8 }),
    fc.dictionary(key, tie("value"), { maxKeys: 8, noNullPrototype: true }),
  ),
})).value as fc.Arbitrary<Value>;
