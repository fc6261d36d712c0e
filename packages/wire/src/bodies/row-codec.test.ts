import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { value } from "../../test/arbitraries.js";
import { type StanzapackError } from "../base/errors.js";
import type { HopClass } from "../frames/frames.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import { createRawDeflate } from "./raw-deflate.js";
import { createRowCodec, decodeRow } from "./row-codec.js";
import { encodeUpdate } from "../msgpack/update.js";

const deflate = createRawDeflate();
const codec = createRowCodec(DEFAULT_LIMITS, deflate);
const hopClass = fc.constantFrom<HopClass>("plain", "compressed");
const code = (form: "rows" | "deflated", payload: Uint8Array): string => {
  try {
    codec.decode({ form, payload });
    return "none";
  } catch (error) {
    return (error as StanzapackError).code;
  }
};

describe("the row codec", () => {
  it("gives back the rows of every batch", () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 30 }), hopClass, (values, hop) => {
        const rows = values.map((one) => encodeUpdate(one, DEFAULT_LIMITS));
        const back = codec.decode(codec.encode(rows, hop));
        expect(back.map((row) => Buffer.from(row))).toEqual(rows.map((row) => Buffer.from(row)));
        back.forEach(decodeRow);
      }),
    );
  });

  it("deflates where that is smaller, and only there", () => {
    const same = Array.from({ length: 50 }, () => encodeUpdate({ temperature: 21.5 }, DEFAULT_LIMITS));
    const encoded = codec.encode(same, "plain");
    expect(encoded.form).toBe("deflated");
    expect(encoded.payload.length).toBeLessThan(60);
    expect(codec.encode(same.slice(0, 1), "plain").form).toBe("rows");
  });

  it("leaves to the hop's own compression what that does better", () => {
    // A compressed stream has seen the names before. Deflate without context has not.
    const two = [21.5, 22.5].map((temperature) =>
      encodeUpdate({ temperature, humidity: 60, pressure: 1_013.25, station: "temperature" }, DEFAULT_LIMITS),
    );
    expect(codec.encode(two, "plain").form).toBe("deflated");
    expect(codec.encode(two, "compressed").form).toBe("rows");
  });

  it("neither writes nor reads deflated rows without deflate", () => {
    const alone = createRowCodec(DEFAULT_LIMITS);
    const same = Array.from({ length: 50 }, () => encodeUpdate({ temperature: 21.5 }, DEFAULT_LIMITS));
    const encoded = alone.encode(same, "plain");
    expect(encoded.form).toBe("rows");
    expect(alone.decode(encoded)).toHaveLength(50);
    expect(() => alone.decode(codec.encode(same, "plain"))).toThrow("HELLO did not list");
  });

  it("refuses no rows, half rows and too large ones", () => {
    expect(code("rows", new Uint8Array())).toBe("malformed");
    expect(code("deflated", Uint8Array.of(3, 0))).toBe("malformed");
    expect(code("deflated", new Uint8Array())).toBe("malformed");
    expect(code("rows", Uint8Array.of(1, 2, 0x92, 1))).toBe("malformed");
    expect(code("rows", Uint8Array.of(1, 0xc1))).toBe("malformed");
    const large = new Uint8Array(49_153).fill(7);
    large.set([0xc5, 0xbf, 0xfe]);
    expect(code("rows", large)).toBe("limit-exceeded");
    large.set([0xc5, 0xbf, 0xfd]);
    expect(code("rows", large)).toBe("none");
  });

  it("refuses more rows than a frame may have, and bombs", () => {
    expect(code("rows", new Uint8Array(4_096))).toBe("none");
    expect(code("rows", new Uint8Array(4_097))).toBe("limit-exceeded");
    const bomb = deflate.deflate(new Uint8Array(2_000_000)) as Uint8Array;
    expect(code("deflated", bomb)).toBe("limit-exceeded");
  });

  it("passes null rows, which look like padding but are values", () => {
    expect(codec.decode({ form: "rows", payload: Uint8Array.of(0xc0, 0xc0) }).map(decodeRow)).toEqual([
      null,
      null,
    ]);
  });
});
