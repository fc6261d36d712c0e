import { readFileSync, writeFileSync } from "node:fs";
import { format } from "prettier";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { configSchema } from "./config.js";
import { LEAVES } from "./environment.js";
import { RELOADED } from "./reload.js";

// The page and the JSON schema are made from the schema and from the comments of its keys. UPDATE_DOCS=1 writes them.

const ROOT = new URL("../../../../", import.meta.url);
const PAGE = new URL("docs/reference/configuration.md", ROOT);
const JSON_SCHEMA = new URL("packages/component/config.schema.json", ROOT);

/** Comments of all keys, by path, such as `limits.maxLinks`. */
const COMMENTS = new Map([
  ...commentsIn("config.ts", "configSchema", ""),
  ...commentsIn("store-config.ts", "lmdb|redis|bounds|storeSchema", "store"),
]);

function* commentsIn(name: string, declarations: string, prefix: string): Iterable<[string, string]> {
  const text = readFileSync(new URL(name, import.meta.url), "utf8");
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const found: [string, string][] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node)) {
      const comments = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
      const comment = ts.getTextOfJSDocComment(comments.at(-1)?.comment)?.replaceAll(/\s*\n\s*/g, " ");
      const { path, root } = placeOf(node);
      if (comment !== undefined && new RegExp(`^(${declarations})$`).test(root))
        found.push([[...(prefix === "" ? [] : [prefix]), ...path].join("."), comment]);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  yield* found;
}

function placeOf(node: ts.Node): { path: string[]; root: string } {
  const path: string[] = [];
  for (let at = node; ; at = at.parent) {
    if (ts.isPropertyAssignment(at) || ts.isShorthandPropertyAssignment(at)) path.unshift(at.name.getText());
    if (ts.isVariableDeclaration(at)) return { path, root: at.name.getText() };
    if (ts.isSourceFile(at)) return { path, root: "" };
  }
}

function rowOf(variable: string): string {
  const { path, schema } = LEAVES.get(variable) as NonNullable<ReturnType<typeof LEAVES.get>>;
  const key = path.join(".");
  const comment = COMMENTS.get(key);
  expect(comment, `${key} has a comment`).toBeDefined();
  return `| \`${key}\` | ${unitOf(key)} | ${defaultOf(key, schema)} | ${comment?.replaceAll("|", "\\|")} |`;
}

function defaultOf(key: string, schema: z.ZodType): string {
  // A store has a kind, but a config file needs no store.
  if (key === "store.kind") return "`lmdb`";
  const { success, data } = schema.safeParse(undefined);
  if (!success) return "required";
  if (typeof data === "number") return key.endsWith(".port") ? String(data) : data.toLocaleString("en");
  return typeof data === "string" || typeof data === "boolean" ? `\`${data}\`` : "none";
}

const UNITS = [
  [/Bytes\w*PerSecond$/, "bytes a second"],
  [/PerSecond$/, "a second"],
  [/Bytes/, "bytes"],
  [/Seconds$/, "seconds"],
  [/Ms$/, "ms"],
  [/Percent$/, "%"],
] as const;

function unitOf(key: string): string {
  return UNITS.find(([pattern]) => pattern.test(key))?.[1] ?? "";
}

function section(name: string): string {
  const own = [...LEAVES].filter(([, { path }]) => path[0] === name).map(([variable]) => rowOf(variable));
  const change = RELOADED.has(name) ? "A reload (SIGHUP) applies changes." : "A change needs a restart.";
  const about = COMMENTS.get(name);
  const sentences = own.length > 1 && about !== undefined ? [about, change] : [change];
  const head = ["| key | unit | default | what and why |", "| --- | --- | ---: | --- |"];
  return [`## ${name}`, "", wrap(sentences.join(" ")), "", ...head, ...own, ""].join("\n");
}

/** Breaks a paragraph into lines of at most 120 columns. */
function wrap(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) as string;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= 120) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}

function createJsonSchema(): Promise<string> {
  const schema = z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" }) as JsonSchema;
  describeKeys(schema, []);
  const head = { $schema: schema.$schema, title: "Config file of stanzapack serve", ...schema };
  return format(JSON.stringify(head), { parser: "json", printWidth: 110 });
}

interface JsonSchema {
  $schema?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  oneOf?: JsonSchema[];
  anyOf?: JsonSchema[];
}

function describeKeys(schema: JsonSchema, path: readonly string[]): void {
  const comment = COMMENTS.get(path.join("."));
  if (comment !== undefined) schema.description = comment;
  for (const part of [...(schema.oneOf ?? []), ...(schema.anyOf ?? [])])
    for (const [key, inner] of Object.entries(part.properties ?? {})) describeKeys(inner, [...path, key]);
  for (const [key, inner] of Object.entries(schema.properties ?? {})) describeKeys(inner, [...path, key]);
}

function expectFile(file: URL, wanted: string): void {
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync(file, wanted);
  expect(readFileSync(file, "utf8"), `${file.pathname} is behind the code: UPDATE_DOCS=1 mends it`).toBe(
    wanted,
  );
}

describe("the reference of the config", () => {
  it("has every key of the schema", () => {
    const page = readFileSync(PAGE, "utf8");
    const head = page.slice(0, page.indexOf("<!-- keys:"));
    const marker = "<!-- keys: made from packages/component/src/config/config.ts -->";
    const sections = Object.keys(configSchema.shape).map(section).join("\n");
    expectFile(PAGE, `${head}${marker}\n\n${sections}\n<!-- /keys -->\n`);
  });

  it("is a JSON schema for editors too", async () => {
    expectFile(JSON_SCHEMA, await createJsonSchema());
  });
});
