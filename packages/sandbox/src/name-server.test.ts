import { Resolver } from "node:dns/promises";
import { expect, test } from "vitest";
import { answerQuery, startNameServer } from "./name-server.js";

const FEDERATION = { domains: ["b.test", "streams.b.test"], port: 20_005 };

test("where the other servers are, and nobody else", async () => {
  const server = await startNameServer(FEDERATION);
  try {
    const resolver = new Resolver();
    resolver.setServers([`127.0.0.1:${server.port}`]);
    // Node 24 returns the type too.
    const found = [{ name: "localhost", port: 20_005, priority: 0, weight: 0 }];
    for (const domain of ["b.test", "streams.b.test", "B.test"])
      expect(await resolver.resolveSrv(`_xmpp-server._tcp.${domain}`)).toMatchObject(found);
    // RFC 2782: the service is not available, so the client asks no other server.
    expect(await resolver.resolveSrv("_xmpp-server._tcp.example.org")).toMatchObject([{ name: "", port: 0 }]);
    for (const name of ["_xmpps-server._tcp.b.test", "_xmpp-client._tcp.b.test"])
      await expect(resolver.resolveSrv(name)).rejects.toMatchObject({ code: "ENOTFOUND" });
    await expect(resolver.resolve4("b.test")).rejects.toMatchObject({ code: "ENOTFOUND" });
  } finally {
    await server.close();
  }
});

test("what is no question has no answer", () => {
  const whole = Buffer.from("0001010000010000000000000c5f786d70702d7365727665720000210001", "hex");
  expect(answerQuery(whole, FEDERATION)).toBeDefined();
  for (let length = 0; length < whole.length; length++)
    expect(answerQuery(whole.subarray(0, length), FEDERATION)).toBeUndefined();
  const response = Buffer.from(whole);
  response[2] = 0x81;
  const pointer = Buffer.from(whole);
  pointer[12] = 0xc0;
  for (const query of [response, pointer]) expect(answerQuery(query, FEDERATION)).toBeUndefined();
});
