import { expect, test } from "vitest";
import {
  formatJson,
  formatMsgpack,
  isGrouped,
  lanesOf,
  parseJson,
  parseMsgpack,
  type Item,
} from "./forms.js";

const item = (feed: number, value: number | string): Item => ({ feed, value, json: JSON.stringify(value) });
const ONE = [item(0, 1), item(0, "b")];
const THREE = [item(0, 1), item(2, "c"), item(0, 2)];
const placed = (items: readonly Item[]): unknown =>
  [...items].sort((a, b) => a.feed - b.feed).map(({ feed, value }) => ({ feed, value }));

test("json-batch: an array, or an array of arrays where services share the message", () => {
  expect(formatJson("json-batch", 1, ONE)).toBe('[1,"b"]');
  expect(formatJson("json-batch", 3, THREE)).toBe('[[1,2],[],["c"]]');
  expect(parseJson("json-batch", "b", '[1,"b"]')).toEqual([
    { feed: 1, value: 1 },
    { feed: 1, value: "b" },
  ]);
  expect(parseJson("json-batch", "m", formatJson("json-batch", 3, THREE))).toEqual(placed(THREE));
});

test("json-body: the value and nothing around it", () => {
  expect(formatJson("json-body", 3, [item(1, "x")])).toBe('"x"');
  expect(parseJson("json-body", "b", '"x"')).toEqual([{ feed: 1, value: "x" }]);
});

test("msgpack-ibb: values without a frame, or an array for each service", () => {
  expect([...formatMsgpack(1, ONE)]).toEqual([1, 0xa1, 0x62]);
  expect([...formatMsgpack(3, THREE)]).toEqual([0x92, 1, 2, 0x90, 0x91, 0xa1, 0x63]);
  expect(parseMsgpack("a", formatMsgpack(1, ONE))).toEqual(placed(ONE));
  expect(parseMsgpack("m", formatMsgpack(3, THREE))).toEqual(placed(THREE));
});

test("services share a stanza only where there is a window, and never in json-body", () => {
  expect(isGrouped("json-batch", 3, 100)).toBe(true);
  expect(isGrouped("msgpack-ibb", 3, 0)).toBe(false);
  expect(isGrouped("json-batch", 1, 100)).toBe(false);
  expect(isGrouped("json-body", 3, 100)).toBe(false);
  expect(lanesOf(3, false)).toEqual(["a", "b", "c"]);
  expect(lanesOf(3, true)).toEqual(["m"]);
});
