import type { StanzaDirection, StanzaFilter, StanzaProxy } from "../proxies/stanza-proxy.js";

/** A lean stanza that is not a probe, as the servers and the component write it. */
const LEAN = /^\s*<message\b[^>]*\bid=['"][\w+/]{2,}['"][^>]*(?:\/>|><\/message>)$/;
/** A message without children, which may be a probe. */
const CHILDLESS = /^\s*<message\b[^>]*(?:\/>|><\/message>)$/;

export const LEAN_FAULTS = ["lost", "repeated", "reordered"] as const;
export type LeanFault = (typeof LEAN_FAULTS)[number];

/** Whether a stanza is a lean stanza, and not a probe. */
export function isLean(stanza: string): boolean {
  return LEAN.test(stanza) && /type=['"]headline['"]/.test(stanza);
}

/** Passes everything on except messages without children. */
export const dropsChildless: StanzaFilter = (stanza) => (CHILDLESS.test(stanza) ? [] : undefined);

/**
 * Returns a filter that makes one fault in the next lean stanza of the client `jid` in that direction, and calls `done`
 * then. A stanza that is overtaken is passed on after the next lean stanza of the same client.
 */
export function leanFault(
  fault: LeanFault,
  direction: StanzaDirection,
  jid: string,
  done: () => void,
): StanzaFilter {
  let held: string | undefined;
  const made = (stanzas: string[]): string[] => {
    done();
    return stanzas;
  };
  return (stanza, way) => {
    if (way !== direction || !stanza.includes(jid) || !isLean(stanza)) return undefined;
    if (fault === "lost") return made([]);
    if (fault === "repeated") return made([stanza, stanza]);
    if (held !== undefined) return made([stanza, held]);
    held = stanza;
    return [];
  };
}

/** Has the proxy make one fault, and resolves when the fault is made. */
export function injectFault(
  proxy: StanzaProxy,
  fault: LeanFault,
  direction: StanzaDirection,
  jid: string,
): Promise<void> {
  return new Promise((resolve) => {
    proxy.filter = leanFault(fault, direction, jid, () => {
      proxy.filter = undefined;
      resolve();
    });
  });
}
