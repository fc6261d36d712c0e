import { describe, expect, it } from "vitest";
import { formatForm, parseForm, parseFormBoolean } from "./data-forms.js";
import { xml } from "../xml/xml.js";

describe("data forms (XEP-0004)", () => {
  it("writes and reads a submitted form", () => {
    const form = formatForm("submit", "urn:t", { "{urn:t}a": "1", b: ["x", "<y>"], none: [] });
    expect(form.toString()).toBe(
      '<x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE" type="hidden"><value>urn:t</value></field>' +
        '<field var="{urn:t}a"><value>1</value></field><field var="b"><value>x</value><value>&lt;y&gt;</value></field>' +
        '<field var="none"/></x>',
    );
    expect(parseForm(xml("options", {}, form))).toEqual({
      type: "submit",
      formType: "urn:t",
      title: "",
      fields: new Map([
        ["{urn:t}a", ["1"]],
        ["b", ["x", "<y>"]],
        ["none", []],
      ]),
    });
  });

  it("writes a form to fill in", () => {
    const options = [{ label: "One", value: "1" }, { value: "2" }];
    const form = formatForm(
      "form",
      "urn:t",
      [{ var: "a", type: "list-single", label: "A", values: ["1"], options }],
      {
        title: "T",
        instructions: "I",
      },
    );
    expect(form.toString()).toContain(
      "<title>T</title><instructions>I</instructions>" +
        '<field var="FORM_TYPE" type="hidden"><value>urn:t</value></field>' +
        '<field var="a" type="list-single" label="A"><value>1</value>' +
        '<option label="One"><value>1</value></option><option><value>2</value></option></field>',
    );
    expect(parseForm(form)?.title).toBe("T");
  });

  it("finds no form where there is none", () => {
    expect(parseForm(xml("query", {}))).toBeUndefined();
    expect(parseForm(xml("x", { xmlns: "jabber:x:data", type: "nonsense" }))).toBeUndefined();
  });

  it("tells of a field that stands there twice (§3.2)", () => {
    const field = (name: string): ReturnType<typeof xml> =>
      xml("field", { var: name }, xml("value", {}, "1"));
    const repeated = (...names: string[]): string | undefined =>
      parseForm(xml("x", { xmlns: "jabber:x:data", type: "submit" }, ...names.map(field)))?.repeated;
    expect(repeated("FORM_TYPE", "a", "b")).toBeUndefined();
    expect(repeated("a", "b", "a")).toBe("a");
    expect(repeated("FORM_TYPE", "a", "FORM_TYPE")).toBe("FORM_TYPE");
  });

  it("reads booleans (§3.3)", () => {
    expect(["1", "true", "0", "false", " 1\n", "", "TRUE", "yes"].map(parseFormBoolean)).toEqual([
      ...[true, true, false, false, true, undefined, undefined, undefined],
    ]);
  });
});

it("writes more values than one call can have arguments", () => {
  const values = Array.from({ length: 150_000 }, () => "x");
  const form = formatForm("form", "", [{ var: "members", values }]);
  expect(form.getChild("field")?.children).toHaveLength(150_000);
});
