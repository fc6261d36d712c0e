import type { Value } from "@stanzapack/wire";

/**
 * `T` where a value of it can be published, `never` in the places where it cannot: functions, bigint, symbols, instances of classes with
 * methods (Date, Map). Interfaces are taken too, which `Value` itself does not, since they have no index signature. A field that may be
 * undefined is left out where it is, as in JSON.
 */
export type Sendable<T> = T extends Value | undefined
  ? T
  : T extends (...args: never[]) => unknown
    ? never
    : T extends object
      ? { readonly [K in keyof T]: Sendable<T[K]> }
      : never;
