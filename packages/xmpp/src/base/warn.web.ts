/** As in `warn.node.ts`. */
export function warn(what: string, error: unknown): void {
  console.warn(`Stanzapack: ${what}:`, error);
}
