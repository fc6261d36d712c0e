import { describe, expect, test } from "vitest";
import { formatRivalBody, formatRivalMessage, parseRivalBody } from "./json-messages.js";

describe("rival messages", () => {
  test("hold nothing that JSON in a headline does not need", () => {
    expect(formatRivalMessage("basic.localhost/c", "u@localhost/abcd", '{"a":"<&"}')).toBe(
      `<message from='basic.localhost/c' to='u@localhost/abcd' type='headline'><body>{"a":"&lt;&amp;"}</body></message>`,
    );
  });

  test("a body is the bare value, or an array of the window's", () => {
    expect(formatRivalBody("json-body", ["21.5"])).toBe("21.5");
    expect(formatRivalBody("json-batch", ["21.5", '{"a":1}'])).toBe('[21.5,{"a":1}]');
    expect(() => formatRivalBody("json-body", ["1", "2"])).toThrow(TypeError);
    expect(() => formatRivalBody("json-body", [])).toThrow(TypeError);
  });

  test("are read back", () => {
    expect(parseRivalBody("json-body", "[1,2]")).toEqual([[1, 2]]);
    expect(parseRivalBody("json-batch", "[1,2]")).toEqual([1, 2]);
    expect(() => parseRivalBody("json-batch", "1")).toThrow(SyntaxError);
    expect(() => parseRivalBody("json-body", "{")).toThrow(SyntaxError);
  });
});
