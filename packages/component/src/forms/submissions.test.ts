import { NS, StanzaError, xml, type Element } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import { configSchema } from "../config/config.js";
import { formatOurForm, FIELD } from "./our-fields.js";
import { DEFAULT_CONFIG } from "../options/service-config.js";
import { formatServiceConfig, readServiceConfig } from "./service-config.js";
import { readChangedOptions } from "./subscribe-options.js";
import { readForm, readSubmission } from "./submissions.js";

const { limits } = configSchema.parse({ component: { domain: "d", secret: "x" } });
const TYPE = NS.PUBSUB_NODE_CONFIG;

function submitted(fields: Readonly<Record<string, readonly string[]>>, formType: string = TYPE): Element {
  const all = Object.entries({ FORM_TYPE: [formType], ...fields });
  return xml(
    "configure",
    {},
    xml(
      "x",
      { xmlns: NS.DATA_FORMS, type: "submit" },
      ...all.map(([name, values]) =>
        xml("field", { var: name }, ...values.map((value) => xml("value", {}, value))),
      ),
    ),
  );
}

describe("what is submitted (XEP-0004)", () => {
  const read = (fields: Readonly<Record<string, readonly string[]>>, current = DEFAULT_CONFIG) =>
    readServiceConfig(readForm(submitted(fields), TYPE), current, limits.maxMembers);

  it("keeps what a form leaves out, and what an empty field cannot mean", () => {
    const current = { ...DEFAULT_CONFIG, access: "whitelist", title: "t" } as const;
    expect(read({}, current)).toEqual(current);
    const empty = { [FIELD.ACCESS_MODEL]: [""], [FIELD.KIND]: [] };
    expect(read(empty, current)).toEqual(current);
    for (const none of [[""], []]) expect(read({ [FIELD.TITLE]: none }, current).title).toBe("");
  });

  it("ignores fields of others, and text for people", () => {
    const form = submitted({ "pubsub#deliver_payloads": ["1", "2"], "{urn:other}a": ["b"] });
    form.getChild("x")?.append(xml("field", { type: "fixed" }, xml("value", {}, "Section 1")));
    form.getChild("x")?.append(xml("field", { type: "fixed" }, xml("value", {}, "Section 2")));
    expect(readServiceConfig(readForm(form, TYPE), undefined, 1)).toEqual(DEFAULT_CONFIG);
  });

  it("reads a form of ours as what it shows", () => {
    const config = {
      ...({ ...DEFAULT_CONFIG, kind: "log", durability: "sync" } as const),
      ...{ members: new Set(["a@b"]), title: "t" },
    };
    const x = formatOurForm("form", TYPE, formatServiceConfig(config));
    x.attrs["type"] = "submit";
    expect(readServiceConfig(readForm(xml("configure", {}, x), TYPE), undefined, 1)).toEqual(config);
  });

  it("says how much a log keeps, by the fields of XEP-0060 where there are such", () => {
    const log = { ...DEFAULT_CONFIG, kind: "log" } as const;
    const bounds = {
      [FIELD.MAX_ITEMS]: ["50"],
      [FIELD.ITEM_EXPIRE]: ["604800"],
      [FIELD.MAX_BYTES]: ["1000"],
    };
    const config = { ...log, maxItems: 50, itemExpireSeconds: 604_800, maxBytes: 1_000 };
    expect(read(bounds, log)).toEqual(config);
    expect(read({ [FIELD.MAX_ITEMS]: ["max"], [FIELD.MAX_BYTES]: [""] }, config)).toEqual({
      ...log,
      ...{ itemExpireSeconds: 604_800, maxBytes: 1_000 },
    });
    for (const name of [FIELD.MAX_ITEMS, FIELD.ITEM_EXPIRE, FIELD.MAX_BYTES]) {
      for (const bad of ["0", "-1", "1.5", "many", "9007199254740993", "1e3"])
        expect(() => read({ [name]: [bad] }, log)).toThrow("is neither `max` nor a whole number from 1 on");
      expect(formatServiceConfig(log)[name]).toBe("max");
    }
    // Programs send the fields of XEP-0060 with any node.
    expect(read({ [FIELD.MAX_ITEMS]: ["1"], [FIELD.ITEM_EXPIRE]: ["60"] })).toEqual(DEFAULT_CONFIG);
    expect(() => read({ [FIELD.MAX_BYTES]: ["1"] })).toThrow("is for services of kind log or map, not value");
    // The component drops no key of a map, so there is no age.
    const map = { ...DEFAULT_CONFIG, kind: "map" as const };
    expect(read(bounds, map)).toEqual({ ...map, maxItems: 50, maxBytes: 1_000 });
    expect(formatServiceConfig(map)).toMatchObject({ [FIELD.MAX_ITEMS]: "max", [FIELD.MAX_BYTES]: "max" });
    expect(formatServiceConfig(map)).not.toHaveProperty([FIELD.ITEM_EXPIRE]);
  });

  it("says how updates are compressed, and whether they are opaque", () => {
    const isolated = { [FIELD.COMPRESSION]: ["isolated"], [FIELD.OPAQUE]: ["true"] };
    const config = { ...DEFAULT_CONFIG, compression: "isolated", opaque: true };
    expect(read(isolated)).toEqual(config);
    expect(read({}, read(isolated))).toEqual(config);
    expect(read({ [FIELD.OPAQUE]: ["0"] }, read(isolated)).opaque).toBe(false);
    for (const wrong of [{ [FIELD.COMPRESSION]: ["zlib"] }, { [FIELD.OPAQUE]: ["perhaps"] }])
      expect(() => read(wrong)).toThrow(expect.objectContaining({ code: "invalid-options" }));
  });

  it("is read from a frame by the same rules", () => {
    const form = {
      type: "submit",
      formType: "",
      title: "",
      fields: new Map([["pubsub#deliver", ["0"]]]),
    } as const;
    expect(readChangedOptions(form)).toMatchObject({ windowMs: 0 });
    const misspelt = { ...form, fields: new Map([["{urn:stanzapack:0}windoww", ["1"]]]) };
    expect(() => readChangedOptions(misspelt)).toThrow(/windoww/);
    const spaced = {
      ...form,
      fields: new Map([
        ["pubsub#digest", [" true "]],
        ["pubsub#digest_frequency", ["200"]],
      ]),
    };
    expect(readChangedOptions(spaced)).toMatchObject({ windowMs: 200 });
  });

  it("is nothing without a form, and cancelled by a cancel", () => {
    expect(readSubmission(xml("configure", {}), TYPE)).toBeUndefined();
    const cancel = xml("configure", {}, xml("x", { xmlns: NS.DATA_FORMS, type: "cancel" }));
    expect(readSubmission(cancel, TYPE)).toBe("cancel");
    expect(() => readForm(cancel, TYPE)).toThrow(StanzaError);
  });
});
