import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startHttpFaultProxy, type HttpFaultProxy } from "./http-fault-proxy.js";
import { until } from "../base/until.js";

let target: Server;
let proxy: HttpFaultProxy;
let seen: string[];

beforeEach(async () => {
  seen = [];
  target = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      seen.push(body);
      response.end(`answer to ${body}`);
    });
  });
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  proxy = await startHttpFaultProxy({
    host: "127.0.0.1",
    port: (target.address() as AddressInfo).port,
  });
});
afterEach(async () => {
  await proxy.close();
  target.closeAllConnections();
  target.close();
  await once(target, "close");
});

async function post(body: string, withinMs = 5_000): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${proxy.port}/`, {
    method: "POST",
    body,
    signal: AbortSignal.timeout(withinMs),
  });
  return `${response.status} ${await response.text()}`;
}

describe("an HTTP proxy with faults", () => {
  it("lets an answer overtake another's", async () => {
    proxy.decide = (index) => (index === 0 ? { answerDelayMs: 200 } : {});
    const order: string[] = [];
    const slow = post("a").then((text) => order.push(text));
    await until(() => seen.length === 1, 5_000, "the first request at the server");
    await Promise.all([slow, post("b").then((text) => order.push(text))]);
    expect(seen).toEqual(["a", "b"]);
    expect(order).toEqual(["200 answer to b", "200 answer to a"]);
    expect(proxy.counts).toEqual({ exchanges: 2, lost: 0, delayed: 1, overtaken: 1 });
  });

  it("lets a request overtake another", async () => {
    let held = false;
    proxy.decide = (_, body) => {
      held ||= body === "a";
      return body === "a" ? { requestDelayMs: 200 } : {};
    };
    const slow = post("a");
    await until(() => held, 5_000, "the first request at the proxy");
    await Promise.all([slow, post("b")]);
    expect(seen).toEqual(["b", "a"]);
  });

  it("loses requests and answers, with a word or without, and answers in the server's place", async () => {
    proxy.decide = (_, body) =>
      body === "503" ? { status: 503 } : { lose: body as "request" | "answer" | "answer-silently" };
    await expect(post("request")).rejects.toThrow("fetch failed");
    await expect(post("answer")).rejects.toThrow("fetch failed");
    await expect(post("answer-silently", 200)).rejects.toThrow("timeout");
    expect(await post("503")).toBe("503 ");
    expect(seen).toEqual(["answer", "answer-silently"]);
    expect(proxy.counts.lost).toBe(3);
  });
});
