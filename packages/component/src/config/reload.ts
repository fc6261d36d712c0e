import type { CheckedConfig } from "./option-checks.js";

/** Changes of a config that was read again, by the names of keys, such as `limits.maxLinks`. */
export interface Reloaded {
  /** Keys whose new values are in force from now on. */
  readonly changed: readonly string[];
  /** Keys with new values that are ignored until a restart. */
  readonly needsRestart: readonly string[];
}

export function compareConfigs(before: CheckedConfig, next: CheckedConfig): Reloaded {
  return {
    changed: [
      ...differences("limits", before.limits, next.limits),
      ...differences("log", before.log, next.log),
      // The new envelope is for links that are opened later.
      ...(before.envelope === next.envelope ? [] : ["envelope"]),
      ...(isSame(before.admins, next.admins) ? [] : ["admins"]),
    ],
    needsRestart: [
      ...differences("component", before.component, next.component),
      ...differences("store", before.store, next.store),
    ],
  };
}

function isSame(before: readonly string[], next: readonly string[]): boolean {
  return JSON.stringify(before) === JSON.stringify(next);
}

function differences<T extends object>(name: string, before: T, next: T): string[] {
  const keys = Object.keys(next) as (keyof T & string)[];
  return keys
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(next[key]))
    .map((key) => `${name}.${key}`);
}
