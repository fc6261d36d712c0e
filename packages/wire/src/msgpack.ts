import { decode, Encoder } from "@msgpack/msgpack";
import { StanzapackError } from "./errors.js";
import { assertWithin, type Limits } from "./limits.js";

/** What an update may carry. Object keys keep their order; integers beyond 2^53 are not representable. */
export type Value =
  null | boolean | number | string | Uint8Array | readonly Value[] | { readonly [key: string]: Value };

/** msgpack `nil`; between frames it is padding. */
export const NIL = 0xc0;
/** Never used by msgpack: as the first byte of a block it announces raw deflate. */
export const NEVER_USED = 0xc1;

function malformed(text: string): StanzapackError {
  return new StanzapackError("malformed", text, { origin: "peer" });
}

/**
 * End of the msgpack value that begins at `start`, without decoding it: lengths are checked against what is there
 * and against the limits before anything is allocated. Throws `malformed` or `limit-exceeded`.
 */
export function measureValue(bytes: Uint8Array, start: number, limits: Limits): number {
  let at = start;
  let items = 0;
  const pending: number[] = [1];
  const need = (count: number): void => {
    if (at + count > bytes.length) throw malformed("a msgpack value ends beyond its block");
  };
  const big = (width: 1 | 2 | 4): number => {
    need(width);
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + (bytes[at++] as number);
    return value;
  };
  const skip = (count: number): void => {
    need(count);
    at += count;
  };
  const enter = (children: number): void => {
    // Each child takes at least a byte: a count beyond what is left is a lie, refused before it is walked.
    if (children > bytes.length - at)
      throw malformed("a msgpack container claims more items than its block holds");
    if (children === 0) return;
    assertWithin(pending.length, limits.maxDepth, "nesting");
    pending.push(children);
  };
  while (pending.length > 0) {
    const left = pending[pending.length - 1] as number;
    if (left === 0) {
      pending.pop();
      continue;
    }
    pending[pending.length - 1] = left - 1;
    assertWithin(++items, limits.maxItems, "msgpack items");
    need(1);
    const head = bytes[at++] as number;
    if (head < 0x80 || head >= 0xe0) continue;
    if (head < 0x90) enter((head & 0x0f) * 2);
    else if (head < 0xa0) enter(head & 0x0f);
    else if (head < 0xc0) skip(head & 0x1f);
    else {
      switch (head) {
        case 0xc0: // nil
        case 0xc2: // false
        case 0xc3: // true
          break;
        case 0xc4: // bin 8
        case 0xd9: // str 8
          skip(big(1));
          break;
        case 0xc5:
        case 0xda:
          skip(big(2));
          break;
        case 0xc6:
        case 0xdb:
          skip(big(4));
          break;
        case 0xcc:
        case 0xd0:
          skip(1);
          break;
        case 0xcd:
        case 0xd1:
          skip(2);
          break;
        case 0xca:
        case 0xce:
        case 0xd2:
          skip(4);
          break;
        case 0xcb:
        case 0xcf:
        case 0xd3:
          skip(8);
          break;
        case 0xdc:
          enter(big(2));
          break;
        case 0xdd:
          enter(big(4));
          break;
        case 0xde:
          enter(big(2) * 2);
          break;
        case 0xdf:
          enter(big(4) * 2);
          break;
        default:
          // 0xc1, and the ext family (c7–c9, d4–d8): Stanzapack defines no extension types.
          throw malformed(`msgpack byte 0x${head.toString(16)} is not used by Stanzapack`);
      }
    }
  }
  return at;
}

const encoder = new Encoder({ useBigInt64: false, ignoreUndefined: false });

/** msgpack of any frame or value the caller vouches for. */
export function encodeMsgpack(value: unknown): Uint8Array {
  return encoder.encode(value);
}

/** Decodes one whole value whose extent `measureValue` has already checked. */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  try {
    return decode(bytes);
  } catch (cause) {
    throw new StanzapackError("malformed", `msgpack: ${(cause as Error).message}`, { origin: "peer", cause });
  }
}

/**
 * msgpack of one update. Throws `unencodable` for what would not arrive as it was given (undefined, functions, bigint,
 * Date, Map, cycles, the key `__proto__`) and `too-large` over the limit.
 */
export function encodeUpdate(value: unknown, limits: Limits): Uint8Array {
  assertEncodable(value, limits.maxDepth, "value");
  const bytes = encoder.encode(value);
  if (bytes.length > limits.maxUpdateBytes) {
    throw new StanzapackError(
      "too-large",
      `an update of ${bytes.length} bytes is over the ${limits.maxUpdateBytes} of maxUpdateBytes`,
    );
  }
  return bytes;
}

function assertEncodable(value: unknown, depthLeft: number, path: string): void {
  const fail = (what: string): never => {
    throw new StanzapackError("unencodable", `${path} is ${what}`);
  };
  switch (typeof value) {
    case "boolean":
    case "number":
    case "string":
      return;
    case "object":
      break;
    default:
      fail(`of type ${typeof value}`);
  }
  if (value === null || value instanceof Uint8Array) return;
  if (depthLeft === 0) fail("nested deeper than maxDepth, or contains itself");
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) assertEncodable(value[i], depthLeft - 1, `${path}[${i}]`);
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) fail("not a plain object");
  for (const [key, child] of Object.entries(value as Record<string, unknown>)) {
    if (key === "__proto__") fail("an object with the key __proto__");
    assertEncodable(child, depthLeft - 1, `${path}.${key}`);
  }
}
