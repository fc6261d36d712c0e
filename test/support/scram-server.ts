import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";

const ITERATIONS = 4096;
const NS_SASL = "urn:ietf:params:xml:ns:xmpp-sasl";

/**
 * Offers one SCRAM mechanism over a WebSocket (RFC 7395), and nothing after the login. Debian's servers as shipped
 * offer no SHA-256.
 */
export async function startScramServer(
  hash: "sha1" | "sha256",
  password: string,
): Promise<{ url: string; readonly verdicts: readonly string[]; close(): Promise<void> }> {
  const mechanism = { sha1: "SCRAM-SHA-1", sha256: "SCRAM-SHA-256" }[hash];
  const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
  const verdicts: string[] = [];
  const server = new WebSocketServer({
    host: "127.0.0.1",
    port: 0,
    handleProtocols: (offered) => offered.has("xmpp") && "xmpp",
  });
  server.on("connection", (socket) => {
    const salt = randomBytes(16);
    const salted = pbkdf2Sync(password, salt, ITERATIONS, hash === "sha1" ? 20 : 32, hash);
    let [firstBare, serverFirst] = ["", ""];
    const answer = (name: string, text: string): void =>
      socket.send(`<${name} xmlns='${NS_SASL}'>${Buffer.from(text).toString("base64")}</${name}>`);
    socket.on("message", (data: Buffer) => {
      const element = data.toString();
      const said = Buffer.from(/>([^<]*)</.exec(element)?.[1] ?? "", "base64").toString();
      if (element.startsWith("<open")) {
        socket.send(
          `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='localhost' id='1' version='1.0'/>`,
        );
        socket.send(
          `<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='${NS_SASL}'>` +
            `<mechanism>${mechanism}</mechanism></mechanisms></stream:features>`,
        );
      } else if (element.startsWith("<auth")) {
        // RFC 5802 §5.
        firstBare = said.slice("n,,".length);
        const nonce = (/r=([^,]*)/.exec(said)?.[1] ?? "") + randomBytes(9).toString("base64");
        serverFirst = `r=${nonce},s=${salt.toString("base64")},i=${ITERATIONS}`;
        answer("challenge", serverFirst);
      } else if (element.startsWith("<response")) {
        const [, withoutProof = "", proof = ""] = /^(.*),p=(.*)$/.exec(said) ?? [];
        const authMessage = `${firstBare},${serverFirst},${withoutProof}`;
        const clientKey = hmac(salted, "Client Key");
        const signature = hmac(createHash(hash).update(clientKey).digest(), authMessage);
        const expected = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] as number)));
        const given = Buffer.from(proof, "base64");
        const right = given.length === expected.length && timingSafeEqual(given, expected);
        verdicts.push(right ? "right" : "wrong");
        if (right) answer("success", `v=${hmac(hmac(salted, "Server Key"), authMessage).toString("base64")}`);
        socket.close();
      }
    });
  });
  await once(server, "listening");
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    verdicts,
    async close() {
      for (const socket of server.clients) socket.terminate();
      server.close();
      await once(server, "close");
    },
  };
}
