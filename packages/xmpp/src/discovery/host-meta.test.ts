import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import type net from "node:net";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { findAlternatives, parseJrd, parseXrd } from "./host-meta.js";
import { createSecureContext } from "../transports/stream-socket.node.js";
import { createCertificate, type Certificate } from "../testing/fake-server.js";
import { processorMsOf } from "../testing/processor-time.js";

const WS = "urn:xmpp:alt-connections:websocket";
const BOSH = "urn:xmpp:alt-connections:xbosh";
const xrd = (...links: [string, string][]): string =>
  `<?xml version='1.0' encoding='utf-8'?>\n<!-- ours -->\n<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>${links
    .map(([rel, href]) => `\n  <Link rel="${rel}"\n href="${href}" />`)
    .join("")}\n</XRD>\n`;
const jrd = (...links: [string, string][]): string =>
  JSON.stringify({ links: links.map(([rel, href]) => ({ rel, href })) });

describe("host-meta files (XEP-0156)", () => {
  it.each([
    ["XRD", parseXrd, xrd],
    ["JRD", parseJrd, jrd],
  ])("%s: takes encrypted addresses of what it knows only", (_, parse, format) => {
    const services = parse(
      format(
        [BOSH, "https://a.test/b"],
        [WS, "wss://a.test/w?x=1"],
        [WS, "ws://a.test/"],
        [BOSH, "http://a.test/"],
        ["lrdd", "https://a.test/l"],
      ),
    );
    expect(services.map(({ transport, url }) => [transport, url.href])).toEqual([
      ["bosh", "https://a.test/b"],
      ["websocket", "wss://a.test/w?x=1"],
    ]);
  });

  it.each(["{}", "[]", '{"links":{}}', '{"links":[null,{},{"rel":"constructor","href":"https://a/"}]}'])(
    "finds nothing in %s",
    (text) => {
      expect(parseJrd(text)).toEqual([]);
    },
  );
});

it("reads an XRD full of comments without an end in linear time", () => {
  const read = (parts: number, times: number): number =>
    processorMsOf(() => {
      for (let i = 0; i < parts; i++) expect(() => parseXrd("<!--".repeat(times))).toThrow();
    });
  read(20, 20_000);
  // The same text in one part. In quadratic time it would take twenty times as long as in twenty parts.
  expect(read(5, 400_000)).toBeLessThan(10 * Math.max(read(100, 20_000), 10));
});

describe("host-meta over HTTPS", () => {
  let certificate: Certificate;
  const cleanups: (() => unknown)[] = [];
  beforeAll(() => {
    certificate = createCertificate("example.test");
  });
  afterEach(() => {
    for (const cleanup of cleanups.splice(0)) cleanup();
  });

  async function ask(answer: http.RequestListener, signal = AbortSignal.timeout(3_000)): Promise<string[]> {
    const server = https.createServer(certificate, answer).listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as net.AddressInfo;
    const tls = { domain: "example.test", secureContext: createSecureContext(certificate.ca) };
    const services = await findAlternatives(tls, signal, `https://127.0.0.1:${String(port)}`);
    return services.map(({ url }) => url.href);
  }

  it("joins both files, WebSocket first", async () => {
    const files: Record<string, string> = {
      "/.well-known/host-meta": xrd([BOSH, "https://a.test/b"], [WS, "wss://a.test/w"]),
      "/.well-known/host-meta.json": jrd([BOSH, "https://a.test/b"], [BOSH, "https://a.test/c"]),
    };
    expect(await ask((request, response) => response.end(files[request.url ?? ""]))).toEqual([
      "wss://a.test/w",
      "https://a.test/b",
      "https://a.test/c",
    ]);
  });

  it("does with one of them, and with none", async () => {
    expect(
      await ask((request, response) => {
        if (request.url?.endsWith(".json") === true) response.writeHead(404).end();
        else response.end(xrd([WS, "wss://a.test/w"]));
      }),
    ).toEqual(["wss://a.test/w"]);
    expect(await ask((_, response) => response.writeHead(404).end("<html>"))).toEqual([]);
  });

  it("follows redirects to HTTPS, a few, and to nothing else", async () => {
    const plain = http.createServer((_, response) => response.end(jrd([WS, "wss://evil.test/"])));
    plain.listen(0, "127.0.0.1");
    await once(plain, "listening");
    cleanups.push(() => plain.close());
    const { port } = plain.address() as net.AddressInfo;
    const redirects = (to: string) =>
      ask((request, response) => {
        if (request.url === "/there") response.end(jrd([WS, "wss://a.test/w"]));
        else response.writeHead(302, { Location: to }).end();
      });
    expect(await redirects("/there")).toEqual(["wss://a.test/w"]);
    expect(await redirects(`http://127.0.0.1:${String(port)}/`)).toEqual([]);
    expect(await redirects("/again")).toEqual([]);
  });

  it("does not wait for a file that hangs when the other is there", async () => {
    // Only the other file can end the wait.
    const never = new AbortController().signal;
    expect(
      await ask((request, response) => {
        if (request.url?.endsWith(".json") === false) response.end(xrd([WS, "wss://a.test/w"]));
      }, never),
    ).toEqual(["wss://a.test/w"]);
  });

  it("reads no more than it must, and no longer than it may", async () => {
    expect(
      await ask((_, response) => {
        response.on("error", () => undefined);
        response.write(jrd([WS, "wss://a.test/w"]));
        response.end(" ".repeat(100_000));
      }),
    ).toEqual([]);
    // Only the signal can end this wait.
    expect(await ask(() => undefined, AbortSignal.timeout(200))).toEqual([]);
  });
});
