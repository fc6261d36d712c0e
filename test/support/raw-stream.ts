import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { StringDecoder } from "node:string_decoder";
import { connect as secure } from "node:tls";
import { accountOf } from "./accounts.js";
import type { Stack } from "./stack.js";

/** A client that writes its stream by hand, with the headers, for stanzas that no library would send. */
export interface RawStream {
  /** Everything received since the login. */
  readonly text: string;
  write(text: string): void;
  close(): void;
}

/** Logs in with PLAIN over STARTTLS and binds `r`. Each of its streams begins with these additional attributes. */
export async function openRawStream(
  { sandbox }: Stack,
  user: string,
  headerAttributes: string,
): Promise<RawStream> {
  const account = accountOf(sandbox, user);
  let socket: Socket = connect(sandbox.ports.c2s, sandbox.host);
  let text = "";
  let heard = (): void => undefined;
  const listen = (): void => {
    const decoder = new StringDecoder("utf8");
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      text += decoder.write(data);
      heard();
    });
  };
  const write = (words: string): void => void socket.write(words);
  /** Removes everything received up to and including this text. */
  const take = async (end: string): Promise<void> => {
    while (!text.includes(end)) await new Promise<void>((resolve) => (heard = resolve));
    text = text.slice(text.indexOf(end) + end.length);
  };
  const begin = async (): Promise<void> => {
    write(
      `<?xml version='1.0'?><stream:stream to='${sandbox.domain}' version='1.0' xmlns='jabber:client' ` +
        `xmlns:stream='http://etherx.jabber.org/streams' ${headerAttributes}>`,
    );
    await take("</stream:features>");
  };
  listen();
  await begin();
  write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  await take("<proceed");
  text = "";
  socket.removeAllListeners("data");
  socket = secure({ socket, ca: sandbox.ca, servername: sandbox.domain });
  listen();
  await once(socket, "secureConnect");
  await begin();
  const plain = Buffer.from(`\0${user}\0${account?.password ?? ""}`).toString("base64");
  write(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${plain}</auth>`);
  await take("<success");
  await begin();
  write(
    "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>",
  );
  await take("</iq>");
  return {
    get text() {
      return text;
    },
    write,
    close: () => socket.destroy(),
  };
}
