import { StanzapackError, ERRORS, assertNever, errorCodeOf } from "./errors.js";
import {
  FRAME,
  MAX_ALIAS,
  type DataForm,
  type DataFrame,
  type Frame,
  type HopClass,
  type ServiceStatus,
} from "./frames.js";
import { assertWithin, type Limits } from "./limits.js";
import { decodeMsgpack, encodeMsgpack, NIL } from "./msgpack.js";
import { SERVICE_KINDS } from "./service.js";

const FORM_TYPE: Record<DataForm, number> = { rows: FRAME.DATA_ROWS, deflated: FRAME.DATA_DEFLATED };
const TYPE_FORM = new Map<number, DataForm>([
  [FRAME.DATA_ROWS, "rows"],
  [FRAME.DATA_DEFLATED, "deflated"],
]);
const HOPS = ["plain", "compressed"] as const satisfies readonly HopClass[];
const STATUSES = ["online", "offline", "paused"] as const satisfies readonly ServiceStatus[];
const DATA_FORMS = ["rows", "deflated"] as const satisfies readonly DataForm[];

/** Elements of a DATA array: type, alias, [epoch, from, to], at, span, payload. */
const DATA_ELEMENTS = 6;

/** Ends a frame on a multiple of three bytes, so that blocks are made by concatenating ready base64. */
export function pad(bytes: Uint8Array): Uint8Array {
  const over = bytes.length % 3;
  if (over === 0) return bytes;
  const padded = new Uint8Array(bytes.length + 3 - over).fill(NIL, bytes.length);
  padded.set(bytes);
  return padded;
}

/**
 * The part of a DATA frame that differs between links: array header, type, alias. Three bytes up to alias 127, six
 * above (the type as uint 8, the alias as uint 16), so that it too can be concatenated as base64.
 */
export function encodeDataPrefix(form: DataForm, alias: number): Uint8Array {
  const header = 0x90 | DATA_ELEMENTS;
  const type = FORM_TYPE[form];
  return alias < 0x80
    ? Uint8Array.of(header, type, alias)
    : Uint8Array.of(header, 0xcc, type, 0xcd, alias >> 8, alias & 0xff);
}

export type DataBodyFields = Omit<DataFrame, "type" | "alias">;

/** The part of a DATA frame that all links of a lane share, padded. */
export function encodeDataBody(data: DataBodyFields): Uint8Array {
  const head = encodeMsgpack([[data.epoch, data.from, data.to], data.at, data.spanMs]);
  const length = data.payload.length;
  const binHead = length < 0x100 ? [0xc4, length] : [0xc5, length >> 8, length & 0xff];
  if (length > 0xffff)
    throw new StanzapackError("limit-exceeded", `a payload of ${length} bytes fits no block`);
  // Without the array header of `head`: its elements continue the array that the prefix began.
  const size = head.length - 1 + binHead.length + length;
  const body = new Uint8Array(Math.ceil(size / 3) * 3).fill(NIL, size);
  body.set(head.subarray(1));
  body.set(binHead, head.length - 1);
  body.set(data.payload, head.length - 1 + binHead.length);
  return body;
}

/** A whole frame, padded to a multiple of three bytes. */
export function encodeFrame(frame: Frame): Uint8Array {
  switch (frame.type) {
    case "data": {
      const prefix = encodeDataPrefix(frame.form, frame.alias);
      const body = encodeDataBody(frame);
      const whole = new Uint8Array(prefix.length + body.length);
      whole.set(prefix);
      whole.set(body, prefix.length);
      return whole;
    }
    case "hello":
      return pad(
        encodeMsgpack([
          FRAME.HELLO,
          frame.version,
          [frame.maxBlockBytes, frame.maxInflatedBytes, frame.maxStanzaBytes],
          frame.codecs.map((form) => FORM_TYPE[form]),
          HOPS.indexOf(frame.hop),
          frame.token,
        ]),
      );
    case "bind":
      return pad(
        encodeMsgpack(
          frame.role === "subscription"
            ? [
                FRAME.BIND,
                frame.alias,
                0,
                frame.node,
                frame.subid,
                SERVICE_KINDS.indexOf(frame.kind),
                frame.baseAt,
              ]
            : [FRAME.BIND, frame.alias, 1, frame.node, frame.incarnation, frame.sequence],
        ),
      );
    case "ack":
      return pad(encodeMsgpack([FRAME.ACK, frame.stanzas >>> 0]));
    case "demand":
      return pad(encodeMsgpack([FRAME.DEMAND, frame.alias, frame.subscribers, frame.windowMs]));
    case "status":
      return pad(encodeMsgpack([FRAME.STATUS, frame.alias, STATUSES.indexOf(frame.status)]));
    case "error":
      return pad(
        encodeMsgpack([FRAME.ERROR, frame.alias, ERRORS[frame.code].wire, frame.text, frame.retryAfterMs]),
      );
    case "bye":
      return pad(encodeMsgpack([FRAME.BYE, ERRORS[frame.code].wire, frame.text]));
    default:
      return assertNever(frame);
  }
}

/** Reads the elements of one decoded frame in order; every mismatch is `malformed` and names the frame. */
class Fields {
  private at = 1;
  constructor(
    private readonly items: readonly unknown[],
    private readonly name: string,
  ) {}
  private fail(what: string): never {
    throw new StanzapackError("malformed", `${this.name}: element ${this.at} is not ${what}`, {
      origin: "peer",
    });
  }
  uint(max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.items[this.at];
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > max)
      this.fail(`an integer from 0 to ${max}`);
    this.at++;
    return value as number;
  }
  uintOrNil(max?: number): number | null {
    if (this.items[this.at] === null) {
      this.at++;
      return null;
    }
    return this.uint(max);
  }
  alias(): number {
    return this.uint(MAX_ALIAS);
  }
  text(maxChars: number): string {
    const value = this.items[this.at];
    if (typeof value !== "string" || value.length > maxChars)
      this.fail(`a string of at most ${maxChars} characters`);
    this.at++;
    return value as string;
  }
  oneOf<T>(choices: readonly T[]): T {
    const value = choices[this.uint(choices.length - 1)];
    return value as T;
  }
  bytes(): Uint8Array {
    const value = this.items[this.at];
    if (!(value instanceof Uint8Array)) this.fail("binary");
    this.at++;
    return value as Uint8Array;
  }
  bytesOrNil(maxBytes: number): Uint8Array | null {
    if (this.items[this.at] === null) {
      this.at++;
      return null;
    }
    const bytes = this.bytes();
    assertWithin(bytes.length, maxBytes, `${this.name} bytes`);
    return bytes;
  }
  /** A nested array of exactly so many non-negative integers. */
  uints(count: number): number[] {
    const value = this.items[this.at];
    if (!Array.isArray(value) || value.length !== count) this.fail(`an array of ${count}`);
    const nested = new Fields([0, ...(value as unknown[])], this.name);
    const result = Array.from({ length: count }, () => nested.uint());
    this.at++;
    return result;
  }
  list(maxCount: number): readonly unknown[] {
    const value = this.items[this.at];
    if (!Array.isArray(value) || value.length > maxCount) this.fail(`an array of at most ${maxCount}`);
    this.at++;
    return value as unknown[];
  }
  /** Nothing may follow: frames are versioned by HELLO, not by growing. */
  end<T>(frame: T): T {
    if (this.at !== this.items.length) {
      throw new StanzapackError("malformed", `${this.name}: ${this.items.length} elements, not ${this.at}`, {
        origin: "peer",
      });
    }
    return frame;
  }
}

const MAX_NODE_CHARS = 3_071 + 1 + 64; // a bare JID (RFC 7622 §3.1: 1023 octets a part), a slash, a name

/** Decodes one frame whose extent was measured. Throws `malformed` or `limit-exceeded`. */
export function decodeFrame(bytes: Uint8Array, limits: Limits): Frame {
  assertWithin(bytes.length, limits.maxFrameBytes, "frame");
  const items = decodeMsgpack(bytes);
  if (!Array.isArray(items) || items.length === 0)
    throw new StanzapackError("malformed", "a frame is not a msgpack array", { origin: "peer" });
  const type: unknown = items[0];
  switch (type) {
    case FRAME.HELLO: {
      const f = new Fields(items, "HELLO");
      const version = f.uint(255);
      const [maxBlockBytes, maxInflatedBytes, maxStanzaBytes] = f.uints(3) as [number, number, number];
      // Forms of a newer peer are none of ours: skipped, not refused.
      const codecs = f.list(32).flatMap((number) => TYPE_FORM.get(number as number) ?? []);
      return f.end({
        type: "hello",
        version,
        maxBlockBytes,
        maxInflatedBytes,
        maxStanzaBytes,
        codecs,
        hop: f.oneOf(HOPS),
        token: f.bytesOrNil(64),
      });
    }
    case FRAME.BIND: {
      const f = new Fields(items, "BIND");
      const alias = f.alias();
      return f.uint(1) === 0
        ? f.end({
            type: "bind",
            role: "subscription",
            alias,
            node: f.text(MAX_NODE_CHARS),
            subid: f.text(64),
            kind: f.oneOf(SERVICE_KINDS),
            baseAt: f.uint(),
          })
        : f.end({
            type: "bind",
            role: "service",
            alias,
            node: f.text(MAX_NODE_CHARS),
            incarnation: f.uint(0xffffffff),
            sequence: f.uint(),
          });
    }
    case FRAME.DATA_ROWS:
    case FRAME.DATA_DEFLATED: {
      const f = new Fields(items, "DATA");
      const alias = f.alias();
      const [epoch, from, to] = f.uints(3) as [number, number, number];
      if (from > to || from === 0)
        throw new StanzapackError("malformed", `DATA: the range ${from}..${to} is empty or begins at 0`, {
          origin: "peer",
        });
      return f.end({
        type: "data",
        alias,
        form: TYPE_FORM.get(type) as DataForm,
        epoch,
        from,
        to,
        at: f.uint(),
        spanMs: f.uint(),
        payload: f.bytes(),
      });
    }
    case FRAME.ACK: {
      const f = new Fields(items, "ACK");
      return f.end({ type: "ack", stanzas: f.uint(0xffffffff) });
    }
    case FRAME.DEMAND: {
      const f = new Fields(items, "DEMAND");
      return f.end({ type: "demand", alias: f.alias(), subscribers: f.uint(), windowMs: f.uintOrNil() });
    }
    case FRAME.STATUS: {
      const f = new Fields(items, "STATUS");
      return f.end({ type: "status", alias: f.alias(), status: f.oneOf(STATUSES) });
    }
    case FRAME.ERROR: {
      const f = new Fields(items, "ERROR");
      return f.end({
        type: "error",
        alias: f.uintOrNil(MAX_ALIAS),
        code: errorCodeOf(f.uint()),
        text: f.text(limits.maxTextChars),
        retryAfterMs: f.uintOrNil(),
      });
    }
    case FRAME.BYE: {
      const f = new Fields(items, "BYE");
      return f.end({ type: "bye", code: errorCodeOf(f.uint()), text: f.text(limits.maxTextChars) });
    }
    default:
      throw new StanzapackError("malformed", `frame type ${String(type).slice(0, 20)} is not in the set`, {
        origin: "peer",
      });
  }
}

export { DATA_FORMS };
