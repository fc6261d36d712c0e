import { configSchema } from "./config.js";
import type { CheckedConfig } from "./option-checks.js";

/** Changes of a config that was read again, by the names of keys, such as `limits.maxLinks`. */
export interface Reloaded {
  /** Keys whose new values are in force from now on. */
  readonly changed: readonly string[];
  /** Keys with new values that are ignored until a restart. */
  readonly needsRestart: readonly string[];
}

/** Sections of the config whose changes a reload applies. The others need a restart. */
export const RELOADED: ReadonlySet<string> = new Set(["limits", "log", "envelope", "admins"]);

export function compareConfigs(before: CheckedConfig, next: CheckedConfig): Reloaded {
  const sections = Object.keys(configSchema.shape) as (keyof typeof configSchema.shape)[];
  const differences = (isReloaded: boolean): string[] =>
    sections
      .filter((section) => RELOADED.has(section) === isReloaded)
      .flatMap((section) => changedKeys(section, before[section], next[section]));
  return { changed: differences(true), needsRestart: differences(false) };
}

/** Returns the keys of a section that differ, or the section itself if it has no keys on one of the two sides. */
function changedKeys(section: string, before: unknown, next: unknown): string[] {
  if (isSame(before, next)) return [];
  if (!isObject(before) || !isObject(next)) return [section];
  const keys = new Set([...Object.keys(next), ...Object.keys(before)]);
  return [...keys].filter((key) => !isSame(before[key], next[key])).map((key) => `${section}.${key}`);
}

function isSame(before: unknown, next: unknown): boolean {
  return JSON.stringify(before) === JSON.stringify(next);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
