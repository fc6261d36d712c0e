import {
  checkOptions,
  describeUnknownName,
  allOptional,
  flag,
  objectOf,
  objectWith,
  StanzapackError,
} from "@stanzapack/wire";
import { z } from "zod";
import type { ComponentOptions } from "./component-options.js";
import { configSchema } from "./config.js";
import type { ResolvedConfig } from "./load-config.js";
import { resolvedStoreSchema, type ResolvedStore } from "./store-config.js";

const { component } = configSchema.shape;

const tlsOptions = z.strictObject({ ca: z.string().optional(), serverName: z.string().min(1).optional() });

/**
 * Shape of a resolved config: as `configSchema`, with the secret itself, and with the text of the authority's
 * certificate.
 */
const resolvedSchema = z.strictObject({
  ...configSchema.shape,
  component: z.strictObject({
    ...component.shape,
    secret: z.string().min(1),
    tls: z.union([z.boolean(), tlsOptions]).optional(),
  }),
  store: resolvedStoreSchema.default({ kind: "memory" }),
});

/** A config of which everything is known. */
export type CheckedConfig = ResolvedConfig & { readonly store: ResolvedStore };

const optionsSchema = objectOf(
  allOptional({
    logger: objectWith("a logger as pino makes it", "debug", "info", "warn", "error"),
    reconnect: flag(),
  } satisfies Record<keyof ComponentOptions, unknown>),
);

/** Returns a checked copy. Throws `invalid-options`, with a line for each fault. */
export function checkConfig(call: string, config: ResolvedConfig): CheckedConfig {
  const result = resolvedSchema.safeParse(config);
  if (result.success) return result.data;
  const faults = result.error.issues.flatMap(splitIssue).map((issue) => describeIssue(resolvedSchema, issue));
  throw new StanzapackError("invalid-options", faults.map((fault) => `${call}: ${fault}`).join("\n"));
}

export function checkComponentOptions(options: ComponentOptions): ComponentOptions {
  return checkOptions("createComponent", optionsSchema, options);
}

/** Returns one issue for each unknown key. zod reports all unknown keys of an object in one issue. */
export function splitIssue(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  return issue.code === "unrecognized_keys" ? issue.keys.map((key) => ({ ...issue, keys: [key] })) : [issue];
}

/** Returns the key, and what it may have. For an unknown key, returns the key that was probably meant. */
export function describeIssue(schema: z.ZodType, issue: z.core.$ZodIssue): string {
  const key = issue.path.join(".");
  if (issue.code !== "unrecognized_keys") return key === "" ? issue.message : `${key}: ${issue.message}`;
  const [name = ""] = issue.keys;
  return `${[...issue.path, name].join(".")} ${describeUnknownName(name, namesAt(schema, issue.path))}`;
}

/** The members of zod's classes by which `shapesIn` finds the keys of an object. */
interface Inside {
  readonly shape?: Readonly<Record<PropertyKey, unknown>>;
  readonly options?: readonly unknown[];
  readonly unwrap?: () => unknown;
}

function namesAt(schema: unknown, path: readonly PropertyKey[]): string[] {
  let at = shapesIn(schema);
  for (const step of path) at = at.flatMap((shape) => shapesIn(shape[step]));
  return at.flatMap((shape) => Object.keys(shape));
}

/**
 * Returns the shapes of a schema's objects: of the object itself, also behind a default, or of each object in a union.
 */
export function shapesIn(schema: unknown): Readonly<Record<PropertyKey, unknown>>[] {
  const inside = (schema ?? {}) as Inside;
  if (inside.shape !== undefined) return [inside.shape];
  if (Array.isArray(inside.options)) return inside.options.flatMap(shapesIn);
  return typeof inside.unwrap === "function" ? shapesIn(inside.unwrap()) : [];
}
