import { parseForm, xml, type DataForm } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import { readChangedOptions, readSubscribeOptions } from "./subscribe-options.js";

const formOf = (fields: Readonly<Record<string, string>>): DataForm =>
  parseForm(
    xml(
      "options",
      {},
      xml(
        "x",
        { xmlns: "jabber:x:data", type: "submit" },
        ...Object.entries(fields).map(([name, value]) =>
          xml("field", { var: `{urn:stanzapack:0}${name}` }, xml("value", {}, value)),
        ),
      ),
    ),
  ) as DataForm;

describe.each([
  ["subscribes", readSubscribeOptions],
  ["changes a subscription", readChangedOptions],
] as const)("a form that %s", (_, read) => {
  it("says how much credit there is in all", () => {
    expect(read(formOf({ credit: "7" })).credit).toBe(7);
  });

  it.each([
    ["credit", "0"],
    ["credit", "-1"],
    ["credit", "1.5"],
    ["credit", "1000000000"],
    ["credit", "many"],
    ["since", "yesterday"],
    ["since", "1:"],
    ["delivery", "pigeon"],
    ["sinse", "first"],
  ])("is refused with %s `%s`", (name, value) => {
    expect(() => read(formOf({ [name]: value }))).toThrow(
      expect.objectContaining({ code: "invalid-options" }),
    );
  });
});

it("a change without credit leaves it as it was, and a subscription without has no bound", () => {
  expect(readChangedOptions(formOf({})).credit).toBeUndefined();
  expect(readSubscribeOptions(formOf({})).credit).toBe(Infinity);
});
