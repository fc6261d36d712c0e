import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const VECTORS = fileURLToPath(new URL("../../../vectors/", import.meta.url));

export interface Vector {
  readonly name: string;
  readonly layer: "frame" | "codec" | "session" | "lean";
  readonly about: string;
  readonly hex: string | readonly string[];
  /** Of a chain: no block was lost before this one. All, where it is not said. */
  readonly contiguous?: readonly boolean[];
  readonly value?: unknown;
  readonly error?: string;
}

/** Every vector below `valid` or `invalid`, with its path there. */
export function readVectors(kind: "valid" | "invalid"): { readonly path: string; readonly vector: Vector }[] {
  return readdirSync(VECTORS + kind, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".json"))
    .sort()
    .map((path) => ({
      path: path.replaceAll("\\", "/").slice(0, -".json".length),
      vector: JSON.parse(readFileSync(`${VECTORS}${kind}/${path}`, "utf8")) as Vector,
    }));
}

/** The blocks of a vector. */
export function blocksOf({ hex }: Vector): Uint8Array[] {
  return (typeof hex === "string" ? [hex] : hex).map((one) => Uint8Array.from(Buffer.from(one, "hex")));
}

/** What the JSON of a vector stands for. */
export function fromJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value !== "object" || value === null) return value;
  const { $bytes, $number } = value as { $bytes?: string; $number?: string };
  if ($bytes !== undefined) return Uint8Array.from(Buffer.from($bytes, "hex"));
  if ($number !== undefined) return Number($number);
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, fromJson(child)]));
}

/** The JSON that stands for a value: `fromJson` the other way round. */
export function toJson(value: unknown): unknown {
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)))
    return { $number: Object.is(value, -0) ? "-0" : String(value) };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, toJson(child)]));
}
