import { describeUnknownName, StanzapackError } from "@stanzapack/wire";
import { parse } from "yaml";
import type { z } from "zod";
import { configSchema } from "./config.js";
import { shapesIn } from "./option-checks.js";

const PREFIX = "STANZAPACK_";

/** A key of the config that a variable of the environment sets. */
export interface Override {
  readonly variable: string;
  /** The key, such as `["limits", "maxLinks"]`. */
  readonly path: readonly string[];
  readonly value: unknown;
}

/** A key of the config that has no keys of its own. */
interface Leaf {
  readonly path: readonly string[];
  readonly schema: z.ZodType;
}

/** Every key that a variable can set, by the name of its variable. */
export const LEAVES: ReadonlyMap<string, Leaf> = new Map(
  leavesOf(configSchema, []).map((leaf) => [variableFor(leaf.path), leaf]),
);
/** A variable that begins with one of these and sets no key is misspelt. Those of other programs begin otherwise. */
const SECTIONS = Object.keys(configSchema.shape).map((key) => `${variableFor([key])}_`);

/** Returns the variable that sets a key: `limits.maxLinks` is set by STANZAPACK_LIMITS_MAX_LINKS. */
export function variableFor(path: readonly string[]): string {
  return PREFIX + path.map((key) => key.replace(/[A-Z]/g, "_$&").toUpperCase()).join("_");
}

/**
 * Returns the keys that the environment sets. A value is the variable's text if the key takes a text, and otherwise
 * YAML. A list may also be written `a, b`. An empty variable counts as not set. Throws `invalid-options` for a misspelt
 * variable.
 */
export function readOverrides(environment: Readonly<Record<string, string | undefined>>): Override[] {
  const overrides: Override[] = [];
  const faults: string[] = [];
  for (const [variable, text = ""] of Object.entries(environment)) {
    const leaf = LEAVES.get(variable);
    if (leaf !== undefined && text !== "")
      overrides.push({ variable, path: leaf.path, value: valueOf(text, leaf) });
    if (leaf === undefined && SECTIONS.some((section) => variable.startsWith(section)))
      faults.push(`environment: ${variable} ${describeUnknownName(variable, [...LEAVES.keys()])}`);
  }
  if (faults.length > 0) throw new StanzapackError("invalid-options", faults.join("\n"));
  return overrides;
}

/** Returns the content of a config file, with these keys in place of the file's. Changes no given object. */
export function applyOverrides(content: unknown, overrides: readonly Override[]): unknown {
  if (overrides.length === 0) return content;
  const whole = copy(content);
  for (const { path, value } of overrides) {
    let at = whole;
    for (const key of path.slice(0, -1)) at = at[key] = copy(at[key]);
    at[path.at(-1) as string] = value;
  }
  // A variable that names the directory of the store need not name its kind too.
  if (overrides.some(({ path }) => path[0] === "store"))
    whole["store"] = { kind: "lmdb", ...copy(whole["store"]) };
  // A config has one of the two. A variable with one replaces the file's other one.
  const isSet = (key: string): boolean => overrides.some(({ path }) => path.join(".") === `component.${key}`);
  const component = copy(whole["component"]);
  if (isSet("secret") && !isSet("secretFile")) delete component["secretFile"];
  if (isSet("secretFile") && !isSet("secret")) delete component["secret"];
  return { ...whole, component };
}

function copy(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function valueOf(text: string, { schema }: Leaf): unknown {
  if (schema.safeParse(text).success) return text;
  const isList = schema.safeParse([]).success;
  if (isList && !text.startsWith("[")) return text.split(",").map((part) => part.trim());
  try {
    return parse(text) as unknown;
  } catch {
    // The schema then says what is wrong with the text.
    return text;
  }
}

function leavesOf(schema: unknown, path: readonly string[]): Leaf[] {
  const shapes = shapesIn(schema);
  // Deeper objects, such as `component.tls`, have one variable for all their keys.
  const isSection = path.length < 2 && shapes.length > 0;
  if (!isSection) return [{ path, schema: schema as z.ZodType }];
  return shapes.flatMap((shape) =>
    Object.entries(shape).flatMap(([key, inner]) => leavesOf(inner, [...path, key])),
  );
}
