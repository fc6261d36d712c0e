import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTcpProxy, until } from "@stanzapack/testkit";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { accountOf } from "./support/accounts.js";
import { countColours, launchChromium, serveExample } from "./support/browser.js";
import { expectComplete, hear, type Heard } from "./support/completeness.js";
import { startScramServer } from "./support/scram-server.js";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";
import { inTurn } from "./support/whole.js";

let browser: Awaited<ReturnType<typeof launchChromium>>;
let example: Awaited<ReturnType<typeof serveExample>>;
beforeAll(async () => {
  [browser, example] = await Promise.all([launchChromium(), serveExample()]);
});
afterAll(async () => {
  await browser.close();
  await example.close();
});

/** ejabberd sometimes closes a WebSocket twice. */
const HARMLESS = /^WebSocket connection to '\S+' failed: Close received after close$/;

/** A tab in which every error makes the test fail. */
async function openPage(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !HARMLESS.test(message.text()))
      faults.push(message.text());
  });
  onTestFinished(async () => {
    await page.close();
    expect(faults).toEqual([]);
  });
  await page.goto(url);
  return page;
}

/**
 * Of the example page: by how much it is wider than the window, in px; lines of its header: name, subtitle and state;
 * and the part of a line that the box of a value cuts, in px.
 */
const LOOKS = `(() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  const tops = [...document.querySelectorAll("header > *")].map((part) => part.getBoundingClientRect());
  const value = [...document.querySelectorAll(".value")].find((box) => box.checkVisibility());
  const { lineHeight } = getComputedStyle(value);
  return {
    overflow: scrollWidth - clientWidth,
    headerLines: tops.reduce((sum, { height }) => sum + Math.round(height / 28), 0),
    cutPx: Math.round(value.clientHeight % parseFloat(lineHeight)),
  };
})()`;

it.each(["sha1", "sha256"] as const)("logs in by SCRAM with %s", async (hash) => {
  const server = await startScramServer(hash, "pässword");
  onTestFinished(() => server.close());
  const page = await openPage(browser.context, example.url);
  for (const password of ["pässword", "wrong"]) {
    const options = { jid: "bob@localhost", password, component: "streams.localhost", url: server.url };
    // This server offers nothing after the login, so `connect` always rejects.
    await page.evaluate(`import("./stanzapack.js").then(({ connect }) =>
      connect(${JSON.stringify({ ...options, timeoutMs: 5_000 })}).catch(() => undefined))`);
  }
  expect(server.verdicts).toEqual(["right", "wrong"]);
});

it("says what to do in a page that is no secure context", async () => {
  const url = new URL(example.url);
  url.hostname = "insecure.test";
  const page = await openPage(browser.context, url.href);
  const options = {
    jid: "bob@localhost",
    password: "p",
    component: "streams.localhost",
    url: "ws://127.0.0.1:1/",
  };
  const failure = await page.evaluate<unknown>(`import("./stanzapack.js").then(({ connect }) =>
    connect(${JSON.stringify(options)}).catch(({ code, message }) => ({ isSecureContext, code, message })))`);
  expect(failure).toMatchObject({
    isSecureContext: false,
    code: "insecure-context",
    message: expect.stringContaining("https:"),
  });
});

describe.each(SERVERS)("Chromium and %s", (server) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob"]);
  });
  afterAll(() => stack.stop());

  /** Values for the form, which are also `connect`'s options. */
  const login = (transport: "websocket" | "bosh"): Record<string, string> => ({
    ...accountOf(stack.sandbox, "bob"),
    component: stack.domain,
    url: transport === "bosh" ? stack.sandbox.boshUrl : stack.sandbox.websocketUrl,
  });

  describe.each(inTurn(server, ["websocket", "bosh"] as const))("over %s", (transport) => {
    it("shows services in the example page, subscribes, changes and stops", async () => {
      const alice = await stack.connect("alice");
      onTestFinished(() => alice.close());
      const counts = await alice.offer("count", { title: "Twenty a second" });
      const waves = await alice.offer("waves", { title: "Two waves" });
      const counter = publishCounter((value) => {
        counts.publish(value);
        waves.publish({ sine: Math.sin(value / 15), cosine: Math.cos(value / 25), count: value });
      }, 50);
      const page = await openPage(
        browser.context,
        `${example.url}#${new URLSearchParams(login(transport)).toString()}`,
      );
      expect(await page.inputValue("[name=component]")).toBe(stack.domain);
      await page.click("form button");
      const card = page.locator("[data-node='alice@localhost/count']");
      await card.waitFor();
      expect(await page.textContent("#state")).toMatch(/^bob@localhost\/.{4}$/);

      await card.locator("select").selectOption("200");
      await card.locator(".toggle").click();
      await page.locator("[data-node='alice@localhost/waves'] .toggle").click();
      await until(() => counts.demand.windowMs === 200, 10_000, "demand");
      const shown = async (): Promise<number> =>
        Number(((await card.locator(".chart b").textContent()) ?? "").replaceAll(",", ""));
      await expect.poll(shown).toBeGreaterThan(20);
      // One body of BOSH can bring both the answer, where the page begins to count, and the first values.
      await expect.poll(async () => Number(await page.textContent("#values"))).toBeGreaterThan(40);
      const bytesForEach = async (): Promise<number> =>
        Number(/^([\d.]+) B$/.exec((await page.textContent("#each")) ?? "")?.[1]);
      const bytesBefore = await bytesForEach();

      const folder = await mkdtemp(join(tmpdir(), "stanzapack-screenshot-"));
      onTestFinished(() => rm(folder, { recursive: true }));
      const file = process.env["STANZAPACK_SCREENSHOT"] ?? join(folder, "page.png");
      await page.screenshot({ path: file });
      const png = await readFile(file);
      expect(png.subarray(1, 4).toString()).toBe("PNG");
      // Text, lines and buttons, each with smoothed edges.
      expect(await countColours(browser.context, png)).toBeGreaterThan(50);

      await page.setViewportSize({ width: 360, height: 800 });
      expect(await page.evaluate(LOOKS)).toEqual({ overflow: 0, headerLines: 3, cutPx: 0 });
      await page.setViewportSize({ width: 1_100, height: 900 });

      await card.locator("select").selectOption("1000");
      await until(() => counts.demand.windowMs === 1_000, 10_000, "demand follows the change");
      // The page counts anew, so the wider window shows at once.
      await expect.poll(bytesForEach).toBeLessThan(0.8 * bytesBefore);
      await card.locator(".toggle").click();
      await until(() => counts.demand.windowMs === null, 10_000, "no demand");
      counter.stop();
      const last = await shown();
      await expect.poll(() => card.locator(".toggle").textContent()).toBe("Subscribe");
      expect(await shown()).toBe(last);
    });

    it("loses nothing either way", async () => {
      const alice = await stack.connect("alice");
      onTestFinished(() => alice.close());
      const counts = await alice.offer("count");
      const counter = publishCounter((value) => counts.publish(value), 10);
      const page = await openPage(browser.context, example.url);
      await page.evaluate(`(async () => {
        const { connect } = await import("./stanzapack.js");
        const heard = window.heard = { updates: [], ranges: [] };
        const me = window.me = await connect(${JSON.stringify(login(transport))});
        const counts = await me.subscribe("Ａlice@LOCALHOST/count", { windowMs: 100 });
        counts.on("update", ({ value, offset }) => heard.updates.push({ value, offset }));
        for (const event of ["lost", "conflated", "reset"])
          counts.on(event, ({ from, to }) => heard.ranges.push({ event, from, to }));
        // And back again, counted anew.
        const echo = await me.offer("echo");
        let echoed = 0;
        counts.on("update", ({ value }) => echo.publish({ value: ++echoed, of: value, text: "ü€😀 ".repeat(20) }));
      })()`);
      const echoes = await alice.subscribe<{ value: number; of: number; text: string }>(
        "bob@localhost/echo",
        {
          windowMs: 100,
        },
      );
      let newest = 0;
      const echoed = hear(echoes, ({ value, of, text }) => {
        expect(text).toBe("ü€😀 ".repeat(20));
        newest = of;
        return value;
      });
      await until(() => echoed.updates.length > 200, 20_000, "echoes");
      counter.stop();
      await until(() => newest === counter.count, 5_000, "the newest value");
      const counted = await page.evaluate<Heard & { received: number }>(
        `({ ...heard, received: me.meter.received.xmpp })`,
      );
      expect(counted.received).toBeGreaterThan(1_000);
      expectComplete(counted);
      expectComplete(echoed);
      await page.evaluate("me.close()");
    });
  });

  it("fetches the part for BOSH when it is needed, and tells when it cannot", async () => {
    const page = await browser.context.newPage();
    onTestFinished(() => page.close());
    const loaded: string[] = [];
    const part = /\/stanzapack-bosh-.*\.js$/;
    page.on("request", (request) => part.test(request.url()) && loaded.push(request.url()));
    await page.route(part, (route) => route.abort());
    await page.goto(example.url);
    const connectFrom = (file: string, options: object): Promise<unknown> =>
      page.evaluate(`import("./${file}").then(async ({ connect }) => {
        const me = await connect(${JSON.stringify(options)});
        await me.close();
        return "online";
      }).catch(({ code, text }) => code + ": " + text)`);

    expect(await connectFrom("stanzapack.js", login("websocket"))).toBe("online");
    expect(loaded).toEqual([]);
    expect(await connectFrom("stanzapack.js", login("bosh"))).toMatch(
      /^unreachable: .*the program's part for BOSH cannot be loaded/,
    );
    expect(loaded).toHaveLength(1);
    expect(await connectFrom("stanzapack.all.js", login("bosh"))).toBe("online");

    await page.unrouteAll();
    await page.route(part, () => undefined);
    await page.reload();
    const late = connectFrom("stanzapack.js", { ...login("bosh"), timeoutMs: 1_000 });
    expect(await late).toMatch(/^timeout: /);
  });

  it("keeps what a page published in IndexedDB, which a reloaded page sends, and one tab has at a time", async () => {
    const alice = await stack.connect("alice");
    const page = await browser.context.newPage();
    onTestFinished(async () => void (await Promise.all([page.close(), alice.close()])));
    await page.goto(example.url);
    const location = `outbox of ${server}`;
    const publish = (first: number, last: number, options: object): Promise<unknown> =>
      page.evaluate(`(async () => {
        const { connect } = await import("./stanzapack.js");
        const { openOutboxStore } = await import("./stanzapack.store.js");
        const store = await openOutboxStore(${JSON.stringify(location)});
        const me = await connect(${JSON.stringify({ ...options, startOffline: true })});
        const kept = await me.offer("kept", { kind: "log", store });
        for (let i = ${first}; i <= ${last}; i++) kept.publish(i);
        await kept.saved();
        Object.assign(window, { me, kept, store });
        return [kept.published, me.online];
      })()`);
    // There is no server at this address.
    expect(await publish(1, 500, { ...login("websocket"), url: "ws://localhost:1" })).toEqual([500, false]);
    const other = await browser.context.newPage();
    await other.goto(example.url);
    const refused = `import("./stanzapack.store.js").then(({ openOutboxStore }) =>
      openOutboxStore(${JSON.stringify(location)}).catch(({ code, retryable, text }) => [code, retryable, text]))`;
    expect(await other.evaluate(refused)).toEqual([
      "store-failed",
      true,
      expect.stringContaining("another tab"),
    ]);
    await other.close();

    await page.reload();
    expect(await publish(501, 510, login("websocket"))).toEqual([510, expect.any(Boolean)]);
    await expect.poll(() => page.evaluate("me.online && kept.demand.windowMs")).toBe(1_000);
    const values: number[] = [];
    const subscription = await alice.subscribe<number>("bob@localhost/kept", { since: "first" });
    subscription.on("update", ({ value }) => values.push(value));
    await until(() => values.length >= 510, 10_000, "what both pages published");
    // Nothing is acknowledged yet, so the component receives everything twice, and drops one copy.
    await page.reload();
    await publish(511, 520, login("websocket"));
    await until(() => values.at(-1) === 520, 20_000, "what the third published");
    expect(values).toEqual(Array.from({ length: 520 }, (_, i) => i + 1));
    await page.evaluate("kept.stop().then(() => me.close()).then(() => store.close())");
  });

  it.each(inTurn(server, [500]))(
    "replays %i commands of a reloaded page, and reports those that met a changed master",
    async (queued) => {
      const alice = await stack.connect("alice");
      const stock = await alice.offer<number>("stock", { kind: "map" });
      const keys = Array.from({ length: queued }, (_, i) => `item/${i}`);
      const master = new Map(keys.map((key) => [key, 10]));
      stock.batch(() => master.forEach((count, key) => stock.set(key, count)));
      const runs: string[] = [];
      stock.handle("take", (key: string) => {
        const left = (master.get(key) ?? 0) - 1;
        runs.push(key);
        master.set(key, left);
        stock.set(key, left);
        return left;
      });

      const url = new URL(stack.sandbox.websocketUrl);
      const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
      url.port = String(proxy.port);
      const page = await browser.context.newPage();
      onTestFinished(async () => {
        await page.close();
        await Promise.all([proxy.close(), alice.close()]);
      });
      await page.goto(example.url);
      const open = (url: string): Promise<unknown> =>
        page.evaluate(`(async () => {
        const { connect } = await import("./stanzapack.js");
        const { openOutboxStore } = await import("./stanzapack.store.js");
        const store = await openOutboxStore(${JSON.stringify(`commands of ${server}`)});
        const me = await connect(${JSON.stringify({ ...login("websocket"), url })});
        const queue = await me.commands(store);
        const count = { done: 0, variances: [], failed: [], waited: queue.pending.length };
        queue.on("done", () => count.done++);
        queue.on("variance", ({ command, expected, result }) =>
          count.variances.push([command.args, expected, result]));
        queue.on("failed", ({ error }) => count.failed.push(error.code));
        const copy = await me.subscribe("alice@localhost/stock");
        Object.assign(window, { me, queue, copy, store, count, view: queue.view(copy) });
      })()`);
      const poll = (expression: string, ms?: number) =>
        expect.poll(() => page.evaluate(expression), ms === undefined ? {} : { timeout: ms });
      await open(url.href);
      await poll("copy.map.size").toBe(queued);
      proxy.refuse = true;
      proxy.cut();
      expect(
        await page.evaluate(`(async () => {
        const change = (key) => (map) => (map.set(key, map.get(key) - 1), map.get(key));
        const keys = [...copy.map.keys()].sort((a, b) => a.slice(5) - b.slice(5));
        await Promise.all(keys.map((key) => queue.call(copy, "take", key, { change: change(key) })));
        return [view.map.get("item/7"), copy.map.get("item/7"), queue.pending.length];
      })()`),
      ).toEqual([9, 10, queued]);
      const changed = keys.filter((_, i) => i % 25 === 3);
      expect(changed).toHaveLength(20);
      for (const key of changed) {
        master.set(key, 5);
        stock.set(key, 5);
      }
      expect(runs).toEqual([]);

      await page.reload();
      await open(stack.sandbox.websocketUrl);
      await poll("queue.pending.length", 180_000).toBe(0);
      expect(runs).toEqual(keys);
      expect(await page.evaluate("count")).toEqual({
        ...{ done: queued - changed.length, failed: [], waited: queued },
        variances: changed.map((key) => [key, 9, 4]),
      });
      const sorted = [...master].sort(([a], [b]) => (a < b ? -1 : 1));
      await poll("[...view.map].sort(([a], [b]) => (a < b ? -1 : 1))").toEqual(sorted);
      await page.evaluate("queue.close().then(() => me.close()).then(() => store.close())");
    },
  );

  it("tells what is wrong", async () => {
    const page = await browser.context.newPage();
    onTestFinished(() => page.close());
    const fields = { ...login("websocket"), password: "wrong" };
    await page.goto(`${example.url}?${new URLSearchParams(fields).toString()}`);
    await page.click("form button");
    await expect.poll(() => page.textContent("#failure")).toContain("Check the JID and the password");
    expect(
      await page.evaluate(`import("./stanzapack.js").then(({ connect }) =>
        connect(${JSON.stringify({ ...fields, url: "xmpp://localhost:1" })}).catch(({ code, text }) => code + ": " + text))`),
    ).toMatch(/^unreachable: .*no TCP from here/);
  });
});
