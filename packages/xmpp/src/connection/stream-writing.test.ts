import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createClientConnection } from "./client-connection.js";
import { createComponentConnection } from "./component-connection.node.js";
import type { Connection } from "./connection.js";
import { StanzaError } from "../base/errors.js";
import {
  acceptBind,
  acceptComponent,
  acceptLogin,
  createCertificate,
  startFakeServer,
  type Certificate,
  type FakeServer,
} from "../testing/fake-server.js";
import { until } from "../testing/until.js";
import { xml } from "../xml/xml.js";

let certificate: Certificate;
let server: FakeServer;
let connection: Connection;
const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
beforeAll(() => {
  certificate = createCertificate("example.test");
});
afterEach(async () => {
  await connection.stop();
  await server.close();
});
afterAll(() => {
  warning.mockRestore();
});

async function connectAs(kind: "client" | "component"): Promise<void> {
  server = await startFakeServer(async (peer) => {
    if (kind === "component") return acceptComponent(peer);
    await acceptLogin(peer, { certificate });
    await acceptBind(peer, { certificate });
  });
  const { port } = server;
  const timeouts = { onlineMs: 5_000, closeMs: 50 };
  connection =
    kind === "component"
      ? createComponentConnection({ domain: "c.test", secret: "s", host: "127.0.0.1", port, timeouts })
      : createClientConnection({
          jid: "bob@example.test",
          password: "p",
          url: `xmpp://127.0.0.1:${String(port)}`,
          ca: certificate.ca,
          timeouts,
        });
  await connection.start();
}

const text = (): string => server.peers[0]?.text ?? "";
const INVALID = expect.objectContaining({ code: "invalid-xml", final: true }) as Error;
const message = (body: string) => xml("message", { to: "a" }, xml("body", {}, body));

describe.each(["client", "component"] as const)("a %s's stream", (kind) => {
  it("carries nothing that is not XML: whoever wants to send it is told", async () => {
    await connectAs(kind);
    for (const bad of ["\u0002", "\ud800", "\ufffe", "\uffff"]) {
      expect(() => connection.sendElement(message(bad))).toThrow(INVALID);
      expect(() => connection.sendElement(xml("message", { to: bad }))).toThrow(INVALID);
      expect(() => connection.sendElement(xml("message", { [bad]: "a" }))).toThrow(INVALID);
      expect(() => connection.send(`<message><body>${bad}</body></message>`)).toThrow(INVALID);
      await expect(connection.request(xml("iq", { type: "get", to: bad }, xml("q")))).rejects.toThrow(
        INVALID,
      );
      await expect(connection.request(xml("iq", { type: "get" }, xml(`q${bad}`)))).rejects.toThrow(INVALID);
    }
    expect(() => connection.send("<message>")).toThrow(INVALID);
    expect(() => connection.send("<message/><message/>")).toThrow(/holds 2 stanzas, but 1 were announced/);
    expect(() => connection.send("<message/>", 0)).toThrow(INVALID);
    expect(() => connection.sendElement(xml("message/><message"))).toThrow(INVALID);
    connection.send("<message to='end'/>");
    await until(() => text().includes("end"));
    expect(text()).not.toMatch(/<body|<q|<message [^>]*"/);
    expect(server.peers).toHaveLength(1);
  });

  it("answers for an iq handler whose answer is not XML", async () => {
    await connectAs(kind);
    const bad = xml("q", {}, "\u0002");
    const error = new StanzaError("not-allowed", "cancel", "\u0002");
    connection.onIq("get", "t", "now", () => bad);
    connection.onIq("get", "t", "later", () => Promise.resolve(bad));
    connection.onIq("get", "t", "error", () => {
      throw error;
    });
    connection.onIq("get", "t", "rejected", () => Promise.reject(error));
    // A promise of another library.
    connection.onIq(
      "get",
      "t",
      "foreign",
      () => ({ then: (take: (element: unknown) => void) => take(xml("good")) }) as Promise<undefined>,
    );
    const names = ["now", "later", "error", "rejected"];
    for (const name of [...names, "foreign"])
      server.peers[0]?.write(`<iq type='get' from='a@b/c' id='${name}'><${name} xmlns='t'/></iq>`);
    await until(() => [...names, "foreign"].every((name) => text().includes(`id="${name}"`)));
    for (const name of ["now", "later"])
      expect(text()).toMatch(
        new RegExp(`id="${name}"[^>]*><error type="wait"><internal-server-error [^>]*/></error>`),
      );
    for (const name of ["error", "rejected"])
      expect(text()).toMatch(
        new RegExp(`id="${name}"[^>]*><error type="cancel"><not-allowed [^>]*/><text [^>]*>\ufffd</text>`),
      );
    expect(text()).toMatch(/id="foreign"[^>]*><good\/><\/iq>/);
    expect(server.peers).toHaveLength(1);
  });

  it("goes on when handlers throw, reject, or give back something else than an answer", async () => {
    await connectAs(kind);
    const seen: string[] = [];
    connection.onStanza(() => {
      throw new Error("mine");
    });
    connection.onStanza((() => Promise.reject(new Error("mine"))) as never);
    connection.onStanza((stanza) => seen.push(stanza.name) < 0);
    connection.on("drain", () => {
      throw new Error("mine");
    });
    server.peers[0]?.write(
      "<message from='a@b/c'/><iq type='get' from='a@b/c' id='p'><ping xmlns='urn:xmpp:ping'/></iq>",
    );
    await until(() => text().includes('id="p"'));
    expect(seen).toEqual(["message", "iq"]);
    expect(text().match(/id="p"/g)).toHaveLength(1);
    expect(server.peers).toHaveLength(1);
  });
});

describe("an address that is not XML", () => {
  it("is refused before anything is connected", async () => {
    const refusal = expect.objectContaining({ code: "invalid-options" }) as Error;
    const client = (options: { jid?: string; resource?: string }) => () =>
      createClientConnection({ jid: "bob@example.test", password: "p", ...options });
    expect(client({ jid: "bob\u0002@example.test" })).toThrow(refusal);
    expect(client({ resource: "\ud800" })).toThrow(refusal);
    const options = { domain: "c\ufffe.test", secret: "s", host: "127.0.0.1", port: 1 };
    expect(() => createComponentConnection(options)).toThrow(refusal);
    await connectAs("client");
  });
});
