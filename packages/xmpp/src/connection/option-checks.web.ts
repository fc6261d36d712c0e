import type { ClientConnectionOptions } from "./connection.js";

/**
 * Returns the options unchecked. In browsers `@stanzapack/client` makes all connections and checks the options, so a
 * page needs no second schema.
 */
export function checkClientOptions(options: ClientConnectionOptions): ClientConnectionOptions {
  return options;
}
