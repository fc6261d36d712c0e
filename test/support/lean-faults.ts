import type { StanzaDirection, StanzaFilter, StanzaProxy } from "@stanzapack/testkit";

/** A lean stanza that is not a probe, as the servers and the component write it. */
const LEAN = /^\s*<message\b[^>]*\bid=['"][\w+/]{2,}['"][^>]*(?:\/>|><\/message>)$/;
/** A message without children, which may be a probe. */
const CHILDLESS = /^\s*<message\b[^>]*(?:\/>|><\/message>)$/;

export const FAULTS = ["lost", "repeated", "reordered"] as const;
export type LeanFault = (typeof FAULTS)[number];

export function isLean(stanza: string): boolean {
  return LEAN.test(stanza) && /type=['"]headline['"]/.test(stanza);
}

/** Passes everything on except messages without children. */
export const dropsChildless: StanzaFilter = (stanza) => (CHILDLESS.test(stanza) ? [] : undefined);

/**
 * Makes one fault in the next lean stanza of the client `jid` in that direction, and resolves when it is done. An
 * overtaken stanza is passed on after the next lean stanza of the same client.
 */
export function injectFault(
  proxy: StanzaProxy,
  fault: LeanFault,
  direction: StanzaDirection,
  jid: string,
): Promise<void> {
  return new Promise((resolve) => {
    let held: string | undefined;
    const done = (stanzas: string[]): string[] => {
      proxy.filter = undefined;
      resolve();
      return stanzas;
    };
    proxy.filter = (stanza, way) => {
      if (way !== direction || !stanza.includes(jid) || !isLean(stanza)) return undefined;
      if (fault === "lost") return done([]);
      if (fault === "repeated") return done([stanza, stanza]);
      if (held !== undefined) return done([stanza, held]);
      held = stanza;
      return [];
    };
  });
}
