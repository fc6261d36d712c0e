import { assertWithin, type Limits } from "../base/limits.js";
import { endsEarly, malformed, notUsed, readInt64, readUint } from "./msgpack.js";
import { isWtf8 } from "./wtf8.js";

/**
 * Returns the end of the msgpack value that begins at `start`, without decoding the value. It checks each length
 * against the bytes present and against the limits before anything is allocated. A value that passes also decodes. So a
 * program that only forwards values forwards none that its receiver cannot read. Throws `malformed` or
 * `limit-exceeded`.
 */
export function measureValue(bytes: Uint8Array, start: number, limits: Limits): number {
  let at = start;
  let items = 0;
  /**
   * Items not yet read of each open container. A map counts keys and values, so an even number means that a key is
   * next.
   */
  const pending: number[] = [1];
  const isMap: boolean[] = [false];

  const need = (count: number): void => {
    if (at + count > bytes.length) throw endsEarly();
  };
  const skip = (count: number): void => {
    need(count);
    at += count;
  };
  const uint = (width: 1 | 2 | 4): number => {
    need(width);
    at += width;
    return readUint(bytes, at - width, width);
  };
  const int64 = (signed: boolean): void => {
    skip(8);
    readInt64(bytes, at - 8, signed);
  };
  const text = (length: number): void => {
    skip(length);
    if (!isWtf8(bytes, at - length, at)) throw malformed("a msgpack string is not WTF-8");
  };
  const enter = (children: number, map: boolean): void => {
    // Each child takes at least one byte. So a count beyond the remaining bytes is wrong, and is refused at once.
    if (children > bytes.length - at)
      throw malformed("a msgpack container claims more items than its block holds");
    assertWithin(pending.length, limits.maxDepth, "nesting");
    if (children === 0) return;
    pending.push(children);
    isMap.push(map);
  };

  while (pending.length > 0) {
    const top = pending.length - 1;
    const left = pending[top] as number;
    if (left === 0) {
      pending.pop();
      isMap.pop();
      continue;
    }
    pending[top] = left - 1;
    assertWithin(++items, limits.maxItems, "msgpack items");
    need(1);
    const head = bytes[at++] as number;
    if (isMap[top] === true && left % 2 === 0) {
      if ((head < 0xa0 || head > 0xbf) && (head < 0xd9 || head > 0xdb))
        throw malformed("a msgpack map has a key that is not a string");
      text(head < 0xc0 ? head & 0x1f : uint(head === 0xd9 ? 1 : head === 0xda ? 2 : 4));
      continue;
    }
    if (head < 0x80 || head >= 0xe0) continue;
    if (head < 0x90) enter((head & 0x0f) * 2, true);
    else if (head < 0xa0) enter(head & 0x0f, false);
    else if (head < 0xc0) text(head & 0x1f);
    else {
      switch (head) {
        case 0xc0: // nil
        case 0xc2: // false
        case 0xc3: // true
          break;
        case 0xc4: // bin 8, 16, 32
          skip(uint(1));
          break;
        case 0xc5:
          skip(uint(2));
          break;
        case 0xc6:
          skip(uint(4));
          break;
        case 0xca: // float 32, 64
          skip(4);
          break;
        case 0xcb:
          skip(8);
          break;
        case 0xcc: // uint 8, int 8
        case 0xd0:
          skip(1);
          break;
        case 0xcd:
        case 0xd1:
          skip(2);
          break;
        case 0xce:
        case 0xd2:
          skip(4);
          break;
        case 0xcf:
          int64(false);
          break;
        case 0xd3:
          int64(true);
          break;
        case 0xd9: // str 8, 16, 32
          text(uint(1));
          break;
        case 0xda:
          text(uint(2));
          break;
        case 0xdb:
          text(uint(4));
          break;
        case 0xdc: // array 16, 32
          enter(uint(2), false);
          break;
        case 0xdd:
          enter(uint(4), false);
          break;
        case 0xde: // map 16, 32
          enter(uint(2) * 2, true);
          break;
        case 0xdf:
          enter(uint(4) * 2, true);
          break;
        default:
          throw notUsed(head);
      }
    }
  }
  return at;
}
