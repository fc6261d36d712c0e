import jid from "@xmpp/jid";

// `instanceof` does not hold between the copies of @xmpp/jid that xmpp.js brings: compare by `toString`.
export { jid };
export const JID = jid.JID;
export type JID = InstanceType<typeof jid.JID>;

/** The part before the resource. Only for prepared JIDs, as servers send them: no parsing. */
export function bareJid(full: string): string {
  const slash = full.indexOf("/");
  return slash < 0 ? full : full.slice(0, slash);
}
