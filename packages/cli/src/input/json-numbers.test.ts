import { describe, expect, test } from "vitest";
import { fateOf, parseJson } from "./json-numbers.js";

test("numbers that a double cannot hold become strings of their digits, wherever they stand", () => {
  expect(
    parseJson('{"id":9007199254740993,"a":[1e400,-1e400,"1e400"],"12345678901234567890":1}').value,
  ).toEqual({
    id: "9007199254740993",
    a: ["1e400", "-1e400", "1e400"],
    "12345678901234567890": 1,
  });
  expect(parseJson("12345678901234567890")).toEqual({
    value: "12345678901234567890",
    kept: "12345678901234567890",
    rounded: undefined,
  });
});

test("strings stay, however they are escaped, and so do keys", () => {
  const text = String.raw`{"__proto__":9007199254740993,"q\"9007199254740993":"\\","x":"\\\"1e400"}`;
  expect(JSON.stringify(parseJson(text).value)).toBe(
    text.replace(/:9007199254740993/, ':"9007199254740993"'),
  );
});

test("-0 stays -0", () => {
  expect(parseJson("[-0,-0.0,-0e5]").value).toEqual([-0, -0, -0]);
});

test("what is no JSON is none", () => {
  for (const text of ["NaN", "007", "1e", "{x}", "[1,]", "\u00a01"])
    expect(() => parseJson(text), text).toThrow(SyntaxError);
});

describe("fate", () => {
  test.each([
    [
      "same",
      ["0", "-0", "0.00", "1", "1e5", "100000", "0.1", "1e23", "9007199254740991", "9007199254740992"],
    ],
    ["same", ["0.30000000000000004", "1.7976931348623157e308", "5e-324", "123456789012345680000", "1E+2"]],
    // The double's exact digits, as `%.17g` and `%.30f` print them.
    ["same", ["0.10000000000000001", "0.1000000000000000055511151231257827"]],
    ["rounded", ["3.14159265358979323846", "0.12345678901234567890", "-1.0000000000000000001"]],
    ["changed", ["9007199254740993", "-9007199254740993", "12345678901234567890", "18446744073709551616"]],
    [
      "changed",
      ["1e400", "-1e309", "1e-400", "9007199254740993.0", "9007199254740993e0", `1${"0".repeat(400)}`],
    ],
  ])("%s: %j", (fate, numbers) => {
    expect(numbers.map(fateOf)).toEqual(numbers.map(() => fate));
  });

  test("whatever JSON.stringify writes is the same", () => {
    for (let i = 0; i < 5_000; i++) {
      const number = (Math.random() - 0.5) * 10 ** Math.floor(Math.random() * 600 - 300);
      expect([fateOf(JSON.stringify(number)), number]).toEqual(["same", number]);
    }
  });
});
