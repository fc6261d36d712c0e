import { describe, expect, it } from "vitest";
import { decodeBase64, decodedLength, encodeBase64 } from "./base64.node.js";

describe("base64", () => {
  // RFC 4648 §10
  it.each([
    ["", ""],
    ["f", "Zg=="],
    ["fo", "Zm8="],
    ["foo", "Zm9v"],
    ["foobar", "Zm9vYmFy"],
  ])("of %j is %j", (text, base64) => {
    expect(encodeBase64(Buffer.from(text))).toBe(base64);
    expect(decodeBase64(base64)).toEqual(Buffer.from(text));
    expect(decodedLength(base64)).toBe(text.length);
  });

  it.each(["Zg", "Zg=", "Z===", "=AAA", "BBBB=CCC", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm-_", "Zh==", "Zm9="])(
    "is not %j",
    (text) => {
      expect(decodeBase64(text)).toBeUndefined();
    },
  );

  it("takes a view of a larger buffer for what it shows", () => {
    expect(encodeBase64(new Uint8Array([0, 102, 111, 111, 0]).subarray(1, 4))).toBe("Zm9v");
  });
});
