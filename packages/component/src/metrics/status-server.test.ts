import { connect } from "node:net";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { StatusServer, type StatusPages } from "./status-server.js";

const log = pino({ level: "silent" });

async function open(own: Partial<StatusPages> = {}): Promise<{ url: string; server: StatusServer }> {
  const pages: StatusPages = {
    metrics: async () => ({ text: "a 1\n", contentType: "text/plain; version=0.0.4; charset=utf-8" }),
    problems: () => [],
    ...own,
  };
  const server = new StatusServer({ host: "127.0.0.1", port: 0 }, pages, log);
  await server.start();
  onTestFinished(() => server.stop());
  return { url: `http://127.0.0.1:${server.port}`, server };
}

describe("the pages for monitors", () => {
  it("are metrics, health and readiness", async () => {
    const { url } = await open();
    const metrics = await fetch(`${url}/metrics?x=1`);
    expect([metrics.status, await metrics.text()]).toEqual([200, "a 1\n"]);
    expect(metrics.headers.get("content-type")).toContain("version=0.0.4");
    expect(await (await fetch(`${url}/health`)).text()).toBe("alive\n");
    expect((await fetch(`${url}/ready`)).status).toBe(200);
  });

  it("say why the component is not ready, while it is alive", async () => {
    const problems = ["the stream to the XMPP server is down", "the store cannot write: the disk is full"];
    const { url } = await open({ problems: () => problems });
    const ready = await fetch(`${url}/ready`);
    expect([ready.status, await ready.text()]).toEqual([503, `${problems.join("\n")}\n`]);
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  it("answer nothing but GET and HEAD of these paths", async () => {
    const { url } = await open();
    expect((await fetch(`${url}/metrics`, { method: "POST", body: "x".repeat(100_000) })).status).toBe(405);
    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/metrics/../health/x`)).status).toBe(404);
    const head = await fetch(`${url}/health`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  it("go on after a scrape that failed", async () => {
    const { url } = await open({ metrics: () => Promise.reject(new Error("a fault")) });
    const answers = await Promise.all([1, 2, 3].map(() => fetch(`${url}/metrics`)));
    expect(answers.map(({ status }) => status)).toEqual([500, 500, 500]);
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  it("stop at once, though a connection stands idle", async () => {
    const { url, server } = await open();
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => undefined);
    await server.stop();
    await closed;
    await server.stop();
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  it("cannot be served at a port that is taken: the error says what to do", async () => {
    const { server } = await open();
    const second = new StatusServer(
      { host: "127.0.0.1", port: server.port },
      { metrics: () => Promise.reject(new Error("unused")), problems: () => [] },
      log,
    );
    await expect(second.start()).rejects.toMatchObject({
      code: "unreachable",
      text: expect.stringContaining("EADDRINUSE") as string,
      message: expect.stringContaining("metrics.port") as string,
    });
  });
});
