import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ERRORS, type ErrorRow } from "./errors.js";
import { encodeFrame } from "./frame-codec.js";
import { FRAME } from "./frames.js";
import * as wire from "./index.js";
import { DEFAULT_LIMITS } from "./limits.js";
import { DEFAULT_LINK_POLICY } from "./link-session.js";

const root = new URL("../../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");

/** The section between a page's markers is `table`; UPDATE_DOCS=1 makes it so. */
function expectSection(path: string, marker: string, table: readonly string[]): void {
  const page = read(path);
  const section = new RegExp(`(<!-- ${marker}:[^\n]*-->\n)([^]*?)(<!-- /${marker} -->)`);
  const [, , found] = section.exec(page) ?? [];
  const wanted = `${table.join("\n")}\n`;
  if (process.env["UPDATE_DOCS"] === "1") {
    const updated = page.replace(section, (_, open: string, __, close: string) => open + wanted + close);
    writeFileSync(new URL(path, root), updated);
  } else expect(found, `${path} is behind the code: UPDATE_DOCS=1 mends it`).toBe(wanted);
}

/** A row per field: name, unit, default, and the reason in its comment, which begins with what it bounds. */
function fieldRows(source: string, defaults: object): string[] {
  const text = read(source);
  const rows = Object.entries(defaults).map(([field, value]) => {
    const comment = new RegExp(`/\\*\\* ([^\n]*) \\*/\n  readonly ${field}: number;`).exec(text)?.[1];
    expect(comment, `${field} has a comment of one line`).toBeDefined();
    return `| \`${field}\` | ${unitOf(field)} | ${(value as number).toLocaleString("en")} | ${comment} |`;
  });
  return ["| field | unit | default | what and why |", "| --- | --- | ---: | --- |", ...rows];
}

const UNITS = [
  [/Bytes$/, "bytes"],
  [/Ms$/, "ms"],
  [/Chars$/, "UTF-16 code units"],
  [/Stanzas$/, "stanzas"],
  [/Depth$/, "levels"],
  [/Items$/, "items"],
  [/RowsPerFrame$/, "rows"],
  [/FramesPerBlock$/, "frames"],
] as const;

function unitOf(field: string): string {
  const unit = UNITS.find(([pattern]) => pattern.test(field))?.[1];
  expect(unit, `a unit for ${field}`).toBeDefined();
  return unit as string;
}

describe("docs/ERRORS.md", () => {
  it("has the table of the code", () => {
    const rows = Object.entries<ErrorRow>(ERRORS).map(([code, row]) => {
      const pubsub = row.pubsub === undefined ? "" : `\`${row.pubsub}\``;
      return `| \`${code}\` | ${row.wire} | \`${row.condition}\`, ${row.type} | ${pubsub} | ${row.scope} | ${row.retryable ? "yes" : "no"} | ${row.mend} |`;
    });
    expectSection("docs/ERRORS.md", "errors", [
      "| code | number | XMPP condition, type | pubsub condition | scope | retry | what to do |",
      "| --- | ---: | --- | --- | --- | --- | --- |",
      ...rows,
    ]);
  });
});

describe("docs/LIMITS.md", () => {
  it("has the limits of the code", () => {
    expectSection("docs/LIMITS.md", "limits", fieldRows("packages/wire/src/limits.ts", DEFAULT_LIMITS));
  });
  it("has the link policy of the code", () => {
    expectSection(
      "docs/LIMITS.md",
      "policy",
      fieldRows("packages/wire/src/link-session.ts", DEFAULT_LINK_POLICY),
    );
  });
});

describe("docs/PROTOCOL.md", () => {
  const page = read("docs/PROTOCOL.md");

  it("has every type of frame, under its number", () => {
    const told = [...page.matchAll(/^\| (\d+) \| ([A-Z_]+) /gm)].map(([, number, name]) => [
      name,
      Number(number),
    ]);
    expect(Object.fromEntries(told)).toEqual(FRAME);
    expect(told.length).toBe(Object.keys(FRAME).length);
  });

  it("calls reserved exactly what is refused", () => {
    const [used = "", reserved = ""] = page.split("Kept for later frames");
    for (const [name, type] of Object.entries(FRAME)) {
      const header = Uint8Array.of(0x91, type);
      const run = (): unknown => wire.decodeFrame(header, DEFAULT_LIMITS);
      expect(used.includes(`| ${type} | ${name} |`)).toBe(!reserved.includes(`| ${type} | ${name} |`));
      if (reserved.includes(`| ${type} | ${name} |`)) expect(run).toThrow("is not in the set");
      else expect(run).not.toThrow("is not in the set");
    }
  });

  it("has a worked example that is true", () => {
    const example = /```\n(96 10 05[^]*?)```/.exec(page)?.[1] ?? "";
    const hex = example
      .replace(/ {2,}.*$/gm, "")
      .replace(/\s/g, "")
      .toLowerCase();
    const bytes = encodeFrame({
      type: "data",
      alias: 5,
      form: "rows",
      epoch: 3_735_928_559,
      from: 10,
      to: 12,
      at: 60_000,
      spanMs: 1_000,
      payload: Uint8Array.of(1, 2, 3),
    });
    expect(hex).toBe(Buffer.from(bytes).toString("hex"));
    expect(example).toContain(`${bytes.length} bytes in all`);
  });

  it("states the policy of the code", () => {
    const { ackEveryStanzas, ackAfterMs, maxUnackedStanzas } = DEFAULT_LINK_POLICY;
    const text = page.replace(/\s+/g, " ");
    expect(text).toContain(`after ${ackEveryStanzas} unacknowledged ones, or ${ackAfterMs / 1000} s after`);
    expect(text).toContain(`A sender with ${maxUnackedStanzas} unacknowledged stanzas`);
  });
});

describe("README.md", () => {
  it("has an example that runs and prints what it says", async () => {
    const code = /```ts\n([^]*?)```/.exec(read("packages/wire/README.md"))?.[1] ?? "";
    const [source = "", expected = ""] = code.split(/^(?=\/\/ 8 2000)/m);
    const printed: string[] = [];
    const body = source.replace(/^import \* as wire from "@stanzapack\/wire";$/m, "");
    const module = `export default (wire, console) => {${body}};`;
    const { default: run } = (await import(
      /* @vite-ignore */ `data:text/javascript,${encodeURIComponent(module)}`
    )) as { default: (api: typeof wire, output: object) => void };
    run(wire, { log: (...words: unknown[]) => printed.push(`// ${words.join(" ")}\n`) });
    expect(printed.join("")).toBe(expected);
  });
});
