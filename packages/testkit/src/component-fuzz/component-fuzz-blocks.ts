import { deflateRawSync } from "node:zlib";
import {
  ChainEncoder,
  createHello,
  createRawDeflate,
  createRowCodec,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeFrame,
  encodeUpdate,
  MAX_ALIAS,
  type DataFrame,
  type Frame,
  type OptionFields,
  type RequestFrame,
} from "@stanzapack/wire";
import { createMapUpdates, similarRows } from "../codec-fuzz/codec-fuzz-values.js";
import type { FuzzNames } from "./component-fuzz-names.js";
import type { Random } from "../base/random.js";

export const HELLO = createHello({ calls: true, maps: true, digests: true });

const HEADS = [
  0x80, 0x90, 0xa0, 0xc0, 0xc1, 0xc4, 0xc6, 0xcb, 0xcf, 0xd4, 0xd9, 0xdb, 0xdc, 0xdd, 0xdf, 0xff, 0x00,
];
/** Heads of bin 32, str 32, array 32, map 32, ext 32, each with the largest length. */
const LIARS = [0xc6, 0xdb, 0xdd, 0xdf, 0xc9].map((head) => [head, 0xff, 0xff, 0xff, 0xff]);
const UINTS = [0, 1, 2, 127, 128, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];
const UINTS32 = UINTS.slice(0, 9);
/** Deflated rows that inflate to far more than a payload may have. */
const BOMB = new Uint8Array(deflateRawSync(new Uint8Array(4_000_000).fill(0xc0)));

/** Makes the blocks of a link: correct ones, damaged ones, and ones of a grammar that knows what frames look like. */
export class FuzzBlocks {
  private readonly rows = createRowCodec(DEFAULT_LIMITS, createRawDeflate());

  private readonly random: Random;

  constructor(
    private readonly names: FuzzNames,
    /** Resume tokens of the session's earlier links. */
    private readonly tokens: readonly Uint8Array[],
  ) {
    this.random = names.random;
  }

  /** Requests by frame. They end no link unless there are too many. */
  requests(): Uint8Array {
    return Buffer.concat(Array.from({ length: 1 + this.random.below(3) }, () => encodeFrame(this.request())));
  }

  /** Frames that must not end a link, if the alias is one of its services. */
  right(alias: number): Uint8Array {
    const { random } = this;
    return Buffer.concat(
      Array.from({ length: 1 + random.below(3) }, () =>
        encodeFrame(random.pick([this.data, this.coded, this.request, this.other])(alias)),
      ),
    );
  }

  /** Payload of a chained body, or random bytes. No chain may stand before it. */
  payload(): Uint8Array {
    const { random } = this;
    if (random.chance(40)) return Uint8Array.from({ length: random.below(40) }, () => random.below(256));
    const encoder = new ChainEncoder(DEFAULT_CODEC_LIMITS);
    const rows = similarRows(random, 1 + random.below(5));
    const batch = { epoch: 1, from: 1, to: rows.length, rows, at: random.below(1e6), spanMs: rows.length };
    const { payload } = encoder.encode(batch, 0, 1);
    return random.chance(50) ? payload : this.damaged(payload);
  }

  any(alias: number): Uint8Array {
    const { random } = this;
    if (random.chance(2))
      return encodeFrame({ ...(this.data(alias) as DataFrame), form: "deflated", payload: BOMB });
    return random.chance(40) ? this.grammar() : this.damaged(this.right(alias));
  }

  private readonly data = (alias: number): Frame => {
    const { random } = this;
    const values = similarRows(random, 1 + random.below(20));
    const encoded = this.rows.encode(
      values.map((value) => encodeUpdate(value, DEFAULT_LIMITS)),
      random.pick(["plain", "compressed"]),
    );
    const from = 1 + random.below(1_000);
    const to = from + values.length - 1 + (random.chance(20) ? random.below(50) : 0);
    return {
      ...{
        type: "data",
        alias,
        epoch: 1 + random.below(2),
        from,
        to,
        at: random.below(1e6),
        spanMs: random.below(1e4),
      },
      ...encoded,
    };
  };

  private readonly coded = (alias: number): Frame => {
    const { random } = this;
    const isMap = random.chance(20);
    const encoder = new ChainEncoder(DEFAULT_CODEC_LIMITS, undefined, isMap ? "map" : "key");
    const count = 1 + random.below(20);
    const rows = isMap ? Array.from({ length: count }, createMapUpdates(random)) : similarRows(random, count);
    const from = 1 + random.below(1_000);
    const batch = {
      epoch: 1,
      from,
      to: from + rows.length - 1,
      rows,
      at: random.below(1e6),
      spanMs: rows.length,
    };
    const body = encoder.encode(batch, 0, random.below(2 ** 32));
    const payload = random.chance(50) ? body.payload : this.damaged(body.payload);
    if (random.chance(20)) return { type: "coded", alias, form: "independent", epoch: 1, from, payload };
    if (random.chance(10)) return { type: "coded", alias, form: "chained", payload };
    return { type: "coded", alias, ...body, payload };
  };

  private readonly request = (): Frame => {
    const { random } = this;
    const list = <T>(most: number, make: () => T): T[] => Array.from({ length: random.below(most) }, make);
    const request = random.chance(95) ? random.below(1e6) : random.below(3);
    const alias = (): number => random.below(random.pick([8, 8, 8, MAX_ALIAS]));
    return random.pick<() => RequestFrame>([
      () => ({ type: "subscribe", request, nodes: list(12, this.nodeOrPattern), options: this.options() }),
      () => ({
        ...{ type: "change", request, aliases: list(12, alias), patterns: list(4, () => random.below(3)) },
        options: random.chance(60) ? this.options() : null,
      }),
      () => ({
        ...{ type: "resume", request, token: this.token(), more: random.chance(30) },
        positions: list(8, () => ({ alias: alias(), epoch: random.pick(UINTS), offset: random.pick(UINTS) })),
      }),
    ])();
  };

  private readonly nodeOrPattern = (): string => {
    const { random, names } = this;
    const node = random.chance(80) ? names.node() : `${random.pick([names.place.bare, names.word()])}/*`;
    return clipped(random.chance(20) ? node.slice(node.lastIndexOf("/")) : node);
  };

  private options(): OptionFields {
    const { random, names } = this;
    const fields = {
      ...{ "pubsub#digest_frequency": random.pick(["0", "100", "1000"]), credit: random.pick(["1", "500"]) },
      ...(random.chance(30) ? { cursor: names.cursor() } : {}),
      ...(random.chance(30) ? names.fields() : {}),
    };
    return Object.entries(fields)
      .flatMap(([name, values]) => [values].flat().map((value) => [name, clipped(value)] as const))
      .slice(0, 60);
  }

  private token(): Uint8Array {
    const { random } = this;
    return this.tokens.length > 0 && random.chance(70)
      ? random.pick(this.tokens)
      : Uint8Array.from({ length: random.pick([0, 18, 18, 64]) }, () => random.below(256));
  }

  private readonly other = (alias: number): Frame => {
    const { random } = this;
    return random.pick<Frame>([
      { type: "credit", alias: random.pick([null, alias]), total: random.pick(UINTS32) },
      { type: "ack", stanzas: random.pick([0, 0, 0, 1, 2 ** 31, 2 ** 32 - 1]) },
      {
        type: "error",
        alias: random.pick([null, alias]),
        code: "internal",
        text: "of a fuzzer",
        retryAfterMs: null,
      },
      HELLO,
      { ...HELLO, maxStanzaBytes: random.pick(UINTS), maxBlockBytes: random.pick(UINTS) },
      { type: "demand", alias, subscribers: 1, windowMs: 0 },
      { type: "status", alias, status: "paused", windowMs: null },
      { type: "done", request: 1 },
      {
        ...{ type: "repair", role: "request", alias },
        ranges: random.pick([
          [],
          [1],
          [16, 31],
          [2 ** 33 - 1],
          Array.from({ length: 16 }, (_, i) => 256 + i),
        ]),
        sums: null,
      },
      {
        ...{ type: "repair", role: "request", alias, ranges: [random.pick([1, 28])] },
        sums: new Uint8Array(64).fill(random.below(256)),
      },
      {
        ...{ type: "repair", role: "request", alias, ranges: [random.pick([1, 28])] },
        sums: new Uint8Array(64).fill(random.below(256)),
      },
      {
        ...{ type: "digest", alias, epoch: 1, position: random.pick(UINTS), range: 1, intervalMs: 0 },
        sums: new Uint8Array(8),
      },
      {
        type: "envelope",
        word: random.pick(["confirm", "ask", "granted", "resume"] as const),
        value: random.pick([0, 66, 1_024, ...UINTS32]),
      },
      this.call(alias),
      { type: "result", call: random.pick(UINTS32), ok: true, result: Uint8Array.of(1) },
      {
        ...{ type: "result", call: random.below(3), ok: false, code: "internal" },
        ...{ text: "of a fuzzer", retryAfterMs: random.pick([null, ...UINTS]) },
      },
      { type: "bye", code: "internal", text: "of a fuzzer" },
      { type: "bind", role: "service", alias, node: "a@b/c", incarnation: 1, sequence: 1 },
    ]);
  };

  /** A call, with one of few ids: some are repeated, and some are new with an id that was used. */
  private call(alias: number): Frame {
    const { random } = this;
    const head = {
      ...{ type: "call" as const, alias, call: random.pick(UINTS32), timeoutMs: random.pick(UINTS) },
      id: new Uint8Array(random.pick([1, 12, 16])).fill(random.below(4)),
      caller: random.chance(95) ? null : "mallory@example.org",
    };
    if (random.chance(40)) return { ...head, again: true };
    return {
      ...head,
      again: false,
      method: random.pick(["reset", "é"]),
      args: Uint8Array.of(random.below(128)),
    };
  }

  private damaged(bytes: Uint8Array): Uint8Array {
    const { random } = this;
    const out = [...bytes];
    for (let n = 1 + random.below(4); n > 0; n--) {
      const at = random.below(out.length + 1);
      switch (random.below(6)) {
        case 0:
          out[Math.min(at, Math.max(0, out.length - 1))] = random.below(256);
          break;
        case 1:
          out[Math.min(at, Math.max(0, out.length - 1))] = random.pick(HEADS);
          break;
        case 2:
          out.splice(at, 1 + random.below(4));
          break;
        case 3:
          out.splice(at, 0, ...out.slice(random.below(out.length + 1)).slice(0, 20));
          break;
        case 4:
          out.splice(at, 0, ...random.pick(LIARS));
          break;
        default:
          out.length = Math.min(out.length, Math.max(1, at));
      }
    }
    return Uint8Array.from(out);
  }

  /** Frames whose elements have any type and number. */
  private grammar(): Uint8Array {
    const { random } = this;
    const out: number[] = [];
    for (let frames = 1 + random.below(4); frames > 0; frames--) {
      const elements = random.below(9);
      const type = random.chance(90) ? random.below(32) : random.below(256);
      out.push(0x90 | elements, ...(type < 128 ? [type] : [0xcc, type]));
      for (let i = 1; i < elements; i++) this.value(out, 0);
    }
    return Uint8Array.from(out);
  }

  private value(out: number[], depth: number): void {
    const { random } = this;
    const length = random.below(8);
    switch (random.below(depth > 40 ? 8 : 11)) {
      case 0:
        return void out.push(random.below(128));
      case 1:
        return void out.push(0xcd, random.below(256), random.below(256));
      case 2:
        return void out.push(
          ...encodeUpdate(random.pick([...UINTS, MAX_ALIAS, -1, 1.5, NaN]), DEFAULT_LIMITS),
        );
      case 3:
        return void out.push(random.pick([0xc0, 0xc2, 0xc3]));
      case 4:
        return void out.push(0xc4, length, ...Array.from({ length }, () => random.below(256)));
      case 5:
        return void out.push(0xa0 | length, ...Array.from({ length }, () => random.below(256)));
      case 6:
        return void (random.chance(20) && out.push(...random.pick(LIARS)));
      case 7:
        return void out.push(...encodeUpdate("node@domain/name", DEFAULT_LIMITS));
      case 8:
        out.push(0x80 | (length >> 1));
        for (let i = 0; i < length >> 1; i++) {
          this.value(out, depth + 1);
          this.value(out, depth + 1);
        }
        return;
      case 9:
        // Deeper than any reader accepts.
        if (random.chance(5)) out.push(...Array.from({ length: 60 }, () => 0x91));
        return;
      default:
        out.push(0x90 | length);
        for (let i = 0; i < length; i++) this.value(out, depth + 1);
    }
  }
}

/** A text cut to the longest that a frame may have, without half a character. */
function clipped(text: string): string {
  return Buffer.from(text.slice(0, 1_000)).toString();
}
