import type { Connection } from "./connection.js";

/** A component speaks over TCP (XEP-0114), which a browser has not. */
export function createComponentConnection(): Connection {
  throw new TypeError("a component's connection is not for browsers");
}
