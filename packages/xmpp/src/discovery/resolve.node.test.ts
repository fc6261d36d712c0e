import dgram from "node:dgram";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { resolveDomain } from "./resolve.node.js";
import { watchDelays } from "../testing/watch-delays.js";

type Srv = readonly [priority: number, weight: number, port: number, target: string];

const encodeName = (name: string): Buffer =>
  Buffer.concat([
    ...name
      .split(".")
      .filter(Boolean)
      .map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ]);

function encodeSrv([priority, weight, port, target]: Srv): Buffer {
  const name = encodeName(target);
  const head = Buffer.from([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 0, 0, 6 + name.length, 0, 0, 0, 0, 0, 0]);
  head.writeUInt16BE(priority, 12);
  head.writeUInt16BE(weight, 14);
  head.writeUInt16BE(port, 16);
  return Buffer.concat([head, name]);
}

let server: dgram.Socket | undefined;
afterEach(() => server?.close());

/** Starts a name server (RFC 1035 §4) of these records. Without records it never answers. */
async function startServer(zone?: Readonly<Record<string, readonly Srv[]>>): Promise<string[]> {
  const socket = (server = dgram.createSocket("udp4"));
  socket.on("message", (query, { port, address }) => {
    if (zone === undefined) return;
    const name = query.subarray(12, query.indexOf(0, 12) + 1);
    const found = Object.entries(zone).find(([owner]) => encodeName(`${owner}._tcp.a.test`).equals(name));
    const answers = found?.[1] ?? [];
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(found === undefined ? 0x8183 : 0x8180, 2);
    head.fill(0, 6, 12);
    head.writeUInt16BE(answers.length, 6);
    const question = query.subarray(12, 12 + name.length + 4);
    socket.send(Buffer.concat([head, question, ...answers.map(encodeSrv)]), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return [`127.0.0.1:${String(socket.address().port)}`];
}

const never = new AbortController().signal;

async function resolve(zone: Readonly<Record<string, readonly Srv[]>>, random = 0.5): Promise<string[]> {
  const servers = await startServer(zone);
  const services = await resolveDomain("a.test", never, { servers, random: () => random });
  return services.map(({ url }) => `${url.protocol}//${url.host}`);
}

describe("a domain's SRV records (RFC 6120 §3.2, XEP-0368)", () => {
  it("are tried by priority, direct TLS among them", async () => {
    const zone = {
      "_xmpp-client": [
        [20, 0, 5222, "late.test"],
        [5, 0, 5222, "first.test"],
      ],
      "_xmpps-client": [[10, 0, 443, "direct.test"]],
    } as const;
    expect(await resolve(zone)).toEqual([
      "xmpp://first.test:5222",
      "xmpps://direct.test:443",
      "xmpp://late.test:5222",
    ]);
  });

  it("of one priority are tried by chance, as often as they weigh (RFC 2782)", async () => {
    const records: readonly Srv[] = [
      [1, 10, 1, "light.test"],
      [1, 30, 2, "heavy.test"],
    ];
    const servers = await startServer({ "_xmpp-client": records });
    // Park and Miller's generator, so that each run has the same numbers.
    let next = 1;
    const random = (): number => (next = (next * 48_271) % 2_147_483_647) / 2_147_483_647;
    let heavyFirst = 0;
    for (let i = 0; i < 400; i++) {
      const [first] = await resolveDomain("a.test", never, { servers, random });
      if (first?.url.hostname === "heavy.test") heavyFirst++;
    }
    expect(heavyFirst).toBeGreaterThan(240);
    expect(heavyFirst).toBeLessThan(360);
  });

  it("may be none: then the domain's own address is left (§3.2.2)", async () => {
    expect(await resolve({})).toEqual(["xmpp://a.test:5222"]);
    server?.close();
    expect(await resolve({ "_xmpps-client": [[0, 0, 0, "."]] })).toEqual(["xmpp://a.test:5222"]);
  });

  it("may say that there is no such service at all (§3.2.1)", async () => {
    expect(await resolve({ "_xmpp-client": [[0, 0, 0, "."]] })).toEqual([]);
  });

  it("are waited for a while only, and not when nobody waits any more", async () => {
    const servers = await startServer();
    const delays = watchDelays();
    const cancel = new AbortController();
    const reason = new Error("enough");
    const resolving = resolveDomain("a.test", cancel.signal, { servers });
    cancel.abort(reason);
    // The wait ends at once: the server never answers, and the question would be sent again only after a second.
    await expect(resolving).rejects.toBe(reason);
    const services = await resolveDomain("a.test", never, { servers });
    expect(services).toHaveLength(1);
    expect(delays()).toEqual([3_000, 3_000]);
  });
});
