import type { ServerKind } from "@stanzapack/sandbox";
import { SERVERS } from "./stack.js";

/** Set by `npm run test:whole`. `npm test` takes the short forms, since it has 12 minutes on two processors. */
export const WHOLE = process.env["STANZAPACK_TEST"] === "whole";

/**
 * The servers of a file whose subject is the component alone, which every server serves alike. `short`: the server of
 * the short form.
 */
export function behind(short: ServerKind): readonly ServerKind[] {
  return WHOLE ? SERVERS : [short];
}

/**
 * Those of `cases` that run behind a server. The short form runs each case behind one server: the first behind Prosody,
 * the second behind ejabberd, and so on. Use it where neither the case nor the server changes what the other one does.
 */
export function inTurn<T>(server: ServerKind, cases: readonly T[]): readonly T[] {
  return WHOLE ? cases : cases.filter((_, i) => SERVERS[i % SERVERS.length] === server);
}
