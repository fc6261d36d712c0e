import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { until } from "@stanzapack/testkit";
import { expect, it } from "vitest";
import { startRefusalsTap } from "./refusals-tap.js";

it("reads along who is refused, however the text is cut", async () => {
  const got: string[] = [];
  const server = createServer((socket) =>
    socket.setEncoding("latin1").on("data", (c: string) => got.push(c)),
  );
  await once(server.listen(0, "127.0.0.1"), "listening");
  const tap = await startRefusalsTap({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  const data = (to: string, seq: number): string =>
    `<message to='${to}' type='headline'><data xmlns='ibb' sid='a' seq='${seq}'>c2VxPScwJw==</data></message>`;
  const refusal = (to: string, more: string): string =>
    `<iq to="${to}" type="error" id="1"><error type="wait"><resource-constraint xmlns="x"/>${more}</error></iq>`;
  const text =
    data("a@b/1", 0) +
    refusal("a@b/2", '<retry-after xmlns="urn:stanzapack:0" ms="120"/>') +
    data("a@b/1", 1) +
    '<iq to="a@b/1" type="result" id="2"/>' +
    data("a@b/3", 0) +
    refusal("a@b/4", "") +
    '<iq to="a@b/5" type="error"><error type="cancel"><item-not-found/></error></iq>';
  const client = connect({ host: "127.0.0.1", port: tap.port, noDelay: true });
  await once(client, "connect");
  for (let i = 0; i < text.length; i += 37) {
    client.write(text.slice(i, i + 37));
    // The tap reads one part before the next arrives: both are in this process.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => got.join("") === text, 5_000, "everything is passed on");
  client.destroy();
  await tap.close();
  server.close();
  expect(tap.refused).toEqual([
    { jid: "a@b/2", retryAfterMs: 120 },
    { jid: "a@b/4", retryAfterMs: null },
  ]);
});
