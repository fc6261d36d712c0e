import type { Value } from "@stanzapack/wire";

/**
 * `T`, with `never` in place of each part that cannot be published: functions, bigint, symbols, instances of classes
 * with methods (Date, Map). Interfaces are allowed too: `Value` itself refuses them, because they have no index
 * signature. A field that is undefined is left out, as in JSON.
 */
export type Sendable<T> = T extends Value | undefined
  ? T
  : T extends (...args: never[]) => unknown
    ? never
    : T extends object
      ? { readonly [K in keyof T]: Sendable<T[K]> }
      : never;
