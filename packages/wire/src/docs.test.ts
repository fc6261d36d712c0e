import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CHANGED_SET_CONTEXTS } from "./codec/tree/changed-set.js";
import { COLUMN_CONTEXTS } from "./codec/values/column.js";
import { DEFAULT_CODEC_LIMITS } from "./codec/column-codec.js";
import { DICTIONARY_CONTEXTS } from "./codec/values/dictionary.js";
import { DOUBLE_CONTEXTS } from "./codec/numbers/double-model.js";
import { DEFAULT_LANE_POLICY } from "./bodies/lane-encoder.js";
import { KIN_CONTEXTS } from "./codec/tree/kin.js";
import { SET } from "./codec/coder/mixer-sets.js";
import { NODE_CONTEXTS } from "./codec/tree/node.js";
import { NUMBER_CONTEXTS } from "./codec/numbers/number-model.js";
import { isReadFromCondition } from "./base/conditions.js";
import { ERRORS, type ErrorCode, type ErrorRow } from "./base/errors.js";
import { encodeFrame } from "./frames/frame-codec.js";
import { FRAME } from "./frames/frames.js";
import * as wire from "./index.js";
import { DEFAULT_LIMITS } from "./base/limits.js";
import { DEFAULT_LINK_POLICY } from "./session/link-session.js";

const root = new URL("../../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");

/** Expects that the section between the page's markers is `table`. With UPDATE_DOCS=1 it writes the section instead. */
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

/** Returns a row for each field: name, unit, default, and the comment of the field. */
function fieldRows(source: string, defaults: object): string[] {
  const text = source.split(", ").map(read).join("");
  const numbers = Object.entries(defaults).filter(([, value]) => typeof value === "number");
  const rows = numbers.map(([field, value]) => {
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
  [/TargetsPerFrame$/, "nodes, aliases"],
  [/FramesPerBlock$/, "frames"],
  [/Rows$/, "rows"],
  [/Values$/, "values"],
  [/Nodes$/, "places"],
  [/Bodies$/, "bodies"],
  [/Percent$/, "%"],
] as const;

function unitOf(field: string): string {
  const unit = UNITS.find(([pattern]) => pattern.test(field))?.[1];
  expect(unit, `a unit for ${field}`).toBeDefined();
  return unit as string;
}

describe("docs/reference/errors.md", () => {
  it("has the table of the code", () => {
    const rows = Object.entries<ErrorRow>(ERRORS).map(([code, row]) => {
      const own = isReadFromCondition(code as ErrorCode) ? "" : `\`${code}\`, ours`;
      const application = row.pubsub === undefined ? own : `\`${row.pubsub}\``;
      return `| \`${code}\` | ${row.wire} | \`${row.condition}\`, ${row.type} | ${application} | ${row.scope} | ${row.retryable ? "yes" : "no"} | ${row.mend} |`;
    });
    expectSection("docs/reference/errors.md", "errors", [
      "| code | number | XMPP condition, type | application condition | scope | retry | what to do |",
      "| --- | ---: | --- | --- | --- | --- | --- |",
      ...rows,
    ]);
  });
});

describe("docs/reference/limits.md", () => {
  it("has the limits of the code", () => {
    expectSection(
      "docs/reference/limits.md",
      "limits",
      fieldRows("packages/wire/src/base/limits.ts", DEFAULT_LIMITS),
    );
  });
  it("has the columnar codec's limits of the code", () => {
    const source = "packages/wire/src/codec/column-codec.ts";
    expectSection("docs/reference/limits.md", "codec", fieldRows(source, DEFAULT_CODEC_LIMITS));
  });
  it("has the lane's policy of the code", () => {
    const sources = "packages/wire/src/bodies/chain.ts, packages/wire/src/bodies/lane-encoder.ts";
    expectSection("docs/reference/limits.md", "lane", fieldRows(sources, DEFAULT_LANE_POLICY));
  });
  it("has the link policy of the code", () => {
    expectSection(
      "docs/reference/limits.md",
      "policy",
      fieldRows("packages/wire/src/session/link-session.ts", DEFAULT_LINK_POLICY),
    );
  });
});

describe("docs/reference/codec.md", () => {
  const page = read("docs/reference/codec.md");

  it("has the mixer's sets of the code", () => {
    expectSection("docs/reference/codec.md", "sets", [
      `| S | ${Object.keys(SET).join(" | ")} |`,
      `| --- |${" ---: |".repeat(Object.keys(SET).length)}`,
      `| | ${Object.values(SET).join(" | ")} |`,
    ]);
  });

  it("has as many contexts of each part as the code", () => {
    const told = Object.fromEntries(
      [...(/## 4[^]*## 5/.exec(page)?.[0] ?? "").matchAll(/^\| ([a-z ]+) \| (\d+) \| [A-Zc]/gm)].map(
        ([, part, count]) => [part, Number(count)],
      ),
    );
    expect(told).toEqual({
      "number model": NUMBER_CONTEXTS,
      "double model": DOUBLE_CONTEXTS,
      dictionary: DICTIONARY_CONTEXTS,
      column: COLUMN_CONTEXTS,
      node: NODE_CONTEXTS,
      "changed set": CHANGED_SET_CONTEXTS,
      kin: KIN_CONTEXTS,
    });
  });

  it("has the names of the code where the code has the numbers", () => {
    const source = [
      "numbers/number-model",
      "numbers/double-model",
      "values/dictionary",
      "values/column",
      "tree/node",
      "texts/text-model",
      "coder/mixer",
      "coder/contexts",
    ]
      .map((name) => read(`packages/wire/src/codec/${name}.ts`))
      .join("");
    const ids = [...page.matchAll(/\b([A-Z]{3,}(?:_[A-Z]+)*) (\d+)\b/g)];
    for (const [, name, number] of ids) {
      if (!new RegExp(`^const ${name} = `, "m").test(source)) continue;
      const literal = new RegExp(`^const ${name} = (\\d+);`, "m");
      if (literal.test(source)) expect(source).toMatch(new RegExp(`^const ${name} = ${number};`, "m"));
    }
    expect(ids.length).toBeGreaterThan(35);
    for (const constant of ["0x2c1b3c6d", "0x297a2d39", "0x85ebca6b", "0x9e3779b1"]) {
      expect(source).toContain(constant);
      expect(page.toLowerCase()).toContain(constant);
    }
  });
});

describe("docs/reference/protocol.md", () => {
  const page = read("docs/reference/protocol.md");

  it("has every type of frame, under its number", () => {
    const told = [...page.matchAll(/^\| (\d+) \| ([A-Z_]+) /gm)].map(([, number, name]) => [
      name,
      Number(number),
    ]);
    expect(Object.fromEntries(told)).toEqual(FRAME);
    expect(told.length).toBe(Object.keys(FRAME).length);
  });

  it("calls reserved exactly what is refused", () => {
    const [used = "", reserved = ""] = page.split("reserved for later frames");
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
    expect(text).toContain(`after ${ackEveryStanzas} unacknowledged stanzas`);
    expect(text).toContain(`${ackAfterMs / 1000} s after the first unacknowledged stanza`);
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
