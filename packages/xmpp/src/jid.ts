import jid from "@xmpp/jid";

export { bareJid } from "./bare-jid.js";

// `instanceof` does not hold between the copies of @xmpp/jid that xmpp.js brings: compare by `toString`.
export { jid };
export const JID = jid.JID;
export type JID = InstanceType<typeof jid.JID>;
