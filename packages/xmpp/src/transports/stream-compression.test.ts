import zlib from "node:zlib";
import { describe, expect, it } from "vitest";
import { createStreamCompression, type StreamCompression } from "./stream-compression.js";

const stanza = (seq: number): string =>
  `<message to='streams.example.org' type='headline'><data xmlns='http://jabber.org/protocol/ibb' seq='${String(seq)}' ` +
  `sid='x7Qa'>${Buffer.from(Uint8Array.from({ length: 18 }, (_, i) => (seq * 97 + i * i * 31) & 255)).toString("base64")}</data></message>`;

/** Everything that `bytes` inflate to. */
function inflateAll(compression: StreamCompression, bytes: Uint8Array): string {
  let text = "";
  const decoder = new TextDecoder();
  compression.inflate(bytes, (slice) => {
    text += decoder.decode(slice, { stream: true });
    return true;
  });
  return text;
}

/** A bomb that inflates to `bytes` zeros. */
const bomb = (bytes: number): Uint8Array =>
  zlib.deflateSync(Buffer.alloc(bytes), { finishFlush: zlib.constants.Z_SYNC_FLUSH });

describe("stream compression", () => {
  it("is read by any zlib, each write whole when it arrives", () => {
    const ours = createStreamCompression();
    const reader = zlib.createInflate();
    let text = "";
    reader.on("data", (part: Buffer) => (text += part.toString()));
    return (async () => {
      for (let seq = 0; seq < 100; seq++) {
        const before = text.length;
        await new Promise((resolve) => reader.write(ours.deflate(stanza(seq)), resolve));
        expect(text.slice(before)).toBe(stanza(seq));
      }
    })();
  });

  it("reads what any zlib writes, whatever the pieces", () => {
    const text = Array.from({ length: 200 }, (_, i) => `${stanza(i)}é€😀`).join("");
    for (const finishFlush of [
      zlib.constants.Z_SYNC_FLUSH,
      zlib.constants.Z_PARTIAL_FLUSH,
      zlib.constants.Z_FULL_FLUSH,
    ]) {
      const bytes = zlib.deflateSync(text, { finishFlush });
      for (const size of [1, 7, bytes.length]) {
        const ours = createStreamCompression();
        const pieces: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += size) {
          ours.inflate(bytes.subarray(at, at + size), (slice) => pieces.push(Buffer.from(slice)) > 0);
        }
        expect(Buffer.concat(pieces).toString()).toBe(text);
      }
    }
  });

  it.each([0, 1, 4_095, 4_096, 4_097, 300_000])("gives back %d characters, compressible or not", (length) => {
    const sender = createStreamCompression();
    const receiver = createStreamCompression();
    const noise = Buffer.from(
      Uint32Array.from({ length: length >> 2 }, (_, i) => Math.imul(i + 1, 2_654_435_761)).buffer,
    );
    for (const text of ["x".repeat(length), noise.toString("base64").slice(0, length)]) {
      expect(inflateAll(receiver, sender.deflate(text))).toBe(text);
      expect(inflateAll(receiver, sender.deflate("<r/>"))).toBe("<r/>");
    }
  });

  it("is smaller with partial flushes than with sync flushes, on the same stanzas", () => {
    const sizeOf = (flush: "partial" | "sync"): number => {
      const ours = createStreamCompression({ flush });
      let bytes = 0;
      for (let seq = 0; seq < 1_000; seq++) bytes += ours.deflate(stanza(seq)).length;
      return bytes / 1_000;
    };
    const [partial, sync] = [sizeOf("partial"), sizeOf("sync")];
    expect(sync - partial).toBeGreaterThan(3);
  });

  it("ends at a bomb before it is large, and stays dead", () => {
    const ours = createStreamCompression();
    let most = 0;
    let total = 0;
    const read = (bytes: Uint8Array) => () => {
      ours.inflate(bytes, (slice) => {
        most = Math.max(most, slice.length);
        total += slice.length;
        return true;
      });
    };
    expect(read(bomb(64 * 1024 * 1024))).toThrow(expect.objectContaining({ code: "protocol" }) as Error);
    expect(most).toBeLessThanOrEqual(16_384);
    expect(total).toBeLessThanOrEqual(8 * 1024 * 1024);
    expect(read(zlib.deflateSync("x"))).toThrow("ended");
  });

  it("stops as soon as its reader has enough", () => {
    const ours = createStreamCompression();
    let slices = 0;
    ours.inflate(bomb(4 * 1024 * 1024), () => ++slices < 3);
    expect(slices).toBe(3);
  });

  it.each([
    ["plain text", Buffer.from("<stream:features/>")],
    ["a broken block", Buffer.from([0x78, 0x9c, 0xff, 0xff, 0xff, 0xff])],
    ["a preset dictionary", Buffer.from([0x78, 0xbb, 0, 0, 0, 1, 0, 0])],
    ["bytes behind the end", Buffer.concat([zlib.deflateSync("x"), Buffer.from("y")])],
    ["a wrong checksum", Buffer.concat([zlib.deflateSync("x").subarray(0, -1), Buffer.from([7])])],
  ])("refuses %s", (_, bytes) => {
    const ours = createStreamCompression();
    expect(() => inflateAll(ours, bytes)).toThrow(expect.objectContaining({ code: "protocol" }) as Error);
    expect(() => inflateAll(ours, zlib.deflateSync("x"))).toThrow();
  });

  it("takes an end of the stream that comes in its own read", () => {
    const ours = createStreamCompression();
    expect(inflateAll(ours, zlib.deflateSync("</stream:stream>"))).toBe("</stream:stream>");
  });
});
