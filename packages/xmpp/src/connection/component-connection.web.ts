import type { Connection } from "./connection.js";

/** Always throws `TypeError`: a component needs TCP (XEP-0114), which a browser does not have. */
export function createComponentConnection(): Connection {
  throw new TypeError("a component's connection is not for browsers");
}
