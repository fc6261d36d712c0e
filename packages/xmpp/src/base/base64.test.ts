import { describe, expect, it } from "vitest";
import { decodedLength } from "./base64-length.js";
import * as node from "./base64.node.js";
import * as web from "./base64.web.js";

describe.each([
  ["in Node", node],
  ["in browsers", web],
])("base64 %s", (_, { decodeBase64, encodeBase64 }) => {
  // RFC 4648 §10
  it.each([
    ["", ""],
    ["f", "Zg=="],
    ["fo", "Zm8="],
    ["foo", "Zm9v"],
    ["foobar", "Zm9vYmFy"],
  ])("of %j is %j", (text, base64) => {
    expect(encodeBase64(Buffer.from(text))).toBe(base64);
    expect(decodeBase64(base64)).toHaveLength(text.length);
    expect(Buffer.from(decodeBase64(base64) as Uint8Array).toString()).toBe(text);
    expect(decodedLength(base64)).toBe(text.length);
  });

  it.each(["Zg", "Zg=", "Z===", "=AAA", "BBBB=CCC", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm-_", "Zh==", "Zm9="])(
    "is not %j",
    (text) => {
      expect(decodeBase64(text)).toBeUndefined();
    },
  );

  it("carries every byte, and many of them", () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) >> 3);
    expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
    expect(new Uint8Array(decodeBase64(encodeBase64(bytes)) as Uint8Array)).toEqual(bytes);
  });

  it("takes a view of a larger buffer for what it shows", () => {
    expect(encodeBase64(new Uint8Array([0, 102, 111, 111, 0]).subarray(1, 4))).toBe("Zm9v");
  });
});
