import type { ClientConnectionOptions } from "./connection.js";

/** In browsers `@stanzapack/client` makes all connections: it has checked these, and a page needs no second schema. */
export function checkClientOptions(options: ClientConnectionOptions): ClientConnectionOptions {
  return options;
}
