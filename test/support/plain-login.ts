import { once } from "node:events";
import { WebSocket } from "ws";
import type { Sandbox } from "@stanzapack/sandbox";

const FRAMING = "urn:ietf:params:xml:ns:xmpp-framing";

/** A session over WebSocket that prepares no addresses. It logs in with the names as given. */
export async function plainLogin(
  { websocketUrl }: Sandbox,
  as: {
    readonly user: string;
    readonly domain: string;
    readonly resource: string;
    readonly password: string;
  },
): Promise<{ readonly jid: string; ask(stanza: string): Promise<string>; close(): Promise<void> }> {
  const socket = new WebSocket(websocketUrl, ["xmpp"]);
  const waiting: [RegExp, (text: string) => void][] = [];
  socket.on("message", (data: Buffer) => {
    const text = data.toString();
    const [first] = waiting;
    if (first?.[0].test(text) !== true) return;
    waiting.shift();
    first[1](text);
  });
  const until = (pattern: RegExp): Promise<string> =>
    new Promise((resolve) => void waiting.push([pattern, resolve]));
  const ask = (text: string, answer: RegExp): Promise<string> => {
    const answered = until(answer);
    socket.send(text);
    return answered;
  };
  const open = (): Promise<string> =>
    ask(`<open xmlns='${FRAMING}' to='${as.domain}' version='1.0'/>`, /^<(?:stream:)?features/);
  await once(socket, "open");
  await open();
  const secret = Buffer.from(`\0${as.user}\0${as.password}`).toString("base64");
  await ask(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${secret}</auth>`, /^<success/);
  await open();
  const bound = await ask(
    `<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>` +
      `<resource>${as.resource}</resource></bind></iq>`,
    /^<iq .*<jid>/,
  );
  let id = 0;
  return {
    jid: /<jid>(.*)<\/jid>/.exec(bound)?.[1] ?? "",
    ask: (stanza) => ask(stanza.replace("<iq ", `<iq xmlns='jabber:client' id='a${++id}' `), /^<iq /),
    async close() {
      socket.close();
      await once(socket, "close");
    },
  };
}
