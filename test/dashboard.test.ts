import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createDashboard } from "@stanzapack/dashboard";
import { until } from "@stanzapack/testkit";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { accountOf } from "./support/accounts.js";
import { countColours, launchChromium } from "./support/browser.js";
import { COMMAND, startProgram } from "./support/program.js";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";

/** The built program of `npm start`. */
const DEMO = fileURLToPath(new URL("../packages/bench/dist/demo/main.js", import.meta.url));
const ADMIN = "ann@localhost";
/** Names and texts come from strangers. */
const HOSTILE = '<img src="x" onerror="document.title=1">';

let browser: Awaited<ReturnType<typeof launchChromium>>;
beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser.close());

/** A tab in which every error of a script makes the test fail. */
async function openPage(url: string): Promise<Page> {
  const page = await browser.context.newPage();
  page.setDefaultTimeout(60_000);
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    // A browser logs each WebSocket and each answer that fails, and tests make them fail.
    if (message.type() === "error" && !/WebSocket|Failed to load resource/.test(message.text()))
      faults.push(message.text());
  });
  onTestFinished(async () => {
    await page.close();
    expect(faults).toEqual([]);
  });
  await page.goto(url);
  return page;
}

async function logIn(page: Page, { jid, password }: { jid: string; password: string }): Promise<void> {
  await page.getByLabel("JID").fill(jid);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** Tells a page that its tab is hidden or shown: without a screen, Chromium hides none. */
async function setVisibility(page: Page, state: "hidden" | "visible"): Promise<void> {
  await page.evaluate(`Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"))`);
}

const textOf = async (page: Page, selector: string): Promise<string> =>
  ((await page.locator(selector).textContent()) ?? "").replaceAll("\u00a0", " ");
const rowOf = (node: string): string => `#services tr[data-key="${node}"]`;

describe.each(SERVERS)("the dashboard on %s", (server) => {
  let stack: Stack;
  let url: string;
  let stopPage: () => Promise<void>;
  beforeAll(async () => {
    stack = await startStack(server, ["ann", "alice", "bob"], { admins: [ADMIN] });
    const { websocketUrl, boshUrl } = stack.sandbox;
    const addresses = server === "prosody" ? { websocketUrl, boshUrl } : { boshUrl };
    const dashboard = await createDashboard({ settings: { component: stack.domain, ...addresses } });
    ({ url, stop: stopPage } = dashboard);
  });
  afterAll(async () => {
    await stopPage();
    await stack.stop();
  });

  it("shows services, live values, slow publishers and breaks to an administrator", async () => {
    const [alice, bob] = [await stack.connect("alice"), await stack.connect("bob")];
    onTestFinished(async () => void (await Promise.all([alice.close(), bob.close()])));
    const waves = await alice.offer("waves", { title: HOSTILE });
    const temp = await alice.offer("temp", { title: "Kitchen, °C" });
    const events = await alice.offer("events", { kind: "log" });
    const stock = await alice.offer("stock", { kind: "map" });
    stock.set(`bolts ${HOSTILE}`, { left: 12 });
    const counter = publishCounter((value) => {
      waves.publish({ sine: Math.sin(value / 15), load: { percent: value % 100 }, text: HOSTILE });
      temp.publish(21 + (value % 10) / 10);
      events.publish({ event: value, text: HOSTILE });
    }, 50);
    const sub = await bob.subscribe("alice@localhost/waves", { windowMs: 1_000 });
    sub.on("update", () => undefined);
    // Nobody reads these.
    await bob.subscribe("alice@localhost/events", { maxQueued: 10 });

    const page = await openPage(url);
    await logIn(page, accountOf(stack.sandbox, "ann"));
    await page.locator(rowOf("alice@localhost/waves")).waitFor();
    expect(await textOf(page, "#state")).toBe(ADMIN);
    // Rates, bytes and windows are those of the running services.
    const waveRow = (): Promise<string> => textOf(page, rowOf("alice@localhost/waves"));
    await expect.poll(waveRow).toMatch(/^alice@localhost\/wavesvalue, openonline11 s\d+(\.\d+)? \/s/);
    await expect.poll(waveRow).toMatch(/ B\/s|kB\/s/);
    await expect.poll(() => textOf(page, "#overview")).toMatch(/updates in\d.* \/s.*round trip/);
    await expect.poll(() => textOf(page, "#traffic figcaption")).toMatch(/Stanzapack .*B\/s.*as JSON .*B\/s/);

    await page.getByRole("button", { name: "alice@localhost/waves" }).click();
    expect(await textOf(page, "#live-title")).toBe("alice@localhost/waves");
    const charts = page.locator("#live .chart b");
    await expect.poll(() => charts.count()).toBe(2);
    const shown = (): Promise<string> => textOf(page, "#live figure:nth-of-type(1) b");
    const before = await shown();
    await expect.poll(shown).not.toBe(before);
    expect(await textOf(page, "#live figure:nth-of-type(2) figcaption")).toMatch(/^load\.percent \d+ %$/);
    expect(await textOf(page, "#live .value")).toContain("onerror");
    await page.getByLabel("Window").selectOption("200");
    await until(() => waves.demand.windowMs === 200, 10_000, "the publisher learns of the window");
    await setVisibility(page, "hidden");
    await until(() => waves.demand.windowMs === 1_000, 10_000, "a hidden tab receives nothing");
    await setVisibility(page, "visible");
    await until(() => waves.demand.windowMs === 200, 10_000, "the tab is shown again");

    await page.getByRole("button", { name: "alice@localhost/events" }).click();
    await expect.poll(() => page.locator("#live .log li").count()).toBeGreaterThan(5);
    await until(() => waves.demand.windowMs === 1_000, 10_000, "the page has left the service before");
    await page.getByRole("button", { name: "alice@localhost/stock" }).click();
    await expect.poll(() => textOf(page, "#live tbody")).toBe(`bolts ${HOSTILE}{ "left": 12 }`);
    await page.getByRole("button", { name: "alice@localhost/temp" }).click();
    await expect.poll(() => textOf(page, "#live figcaption")).toMatch(/^value 21(\.\d)? °C$/);
    expect(await page.locator("img").count()).toBe(0);

    await expect
      .poll(() => textOf(page, "#peers tbody"))
      .toMatch(/^bob@localhost\/\S+ *its program does not read/);
    await page.locator("#findings", { hasText: "the program does not read its updates" }).waitFor();
    await page.getByLabel("Show clients that are not slow, too").check();
    await expect.poll(() => textOf(page, "#peers tbody")).toContain("alice@localhost/");
    await stack.component.stop();
    await page.locator("#notice", { hasText: "connects again" }).waitFor();
    await stack.restartComponent(0);
    const bobReturned = new Promise((resolve) => void sub.once("update", resolve));
    await page.locator("#notice").waitFor({ state: "hidden" });
    await bobReturned;
    await expect.poll(waveRow).toMatch(/openonline1/);

    counter.stop();
    await alice.close();
    await page.locator("#findings", { hasText: "alice@localhost/waves is offline" }).waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    expect(await page.getByLabel("Password").inputValue()).toBe("");
    expect(await page.locator("#board").isVisible()).toBe(false);
  });

  it("logs in by itself beyond this machine, where a token protects its account", async () => {
    const { websocketUrl, boshUrl } = stack.sandbox;
    const token = "0123456789abcdef";
    const settings = {
      component: stack.domain,
      websocketUrl,
      boshUrl,
      account: accountOf(stack.sandbox, "ann"),
    };
    const dashboard = await createDashboard({ host: "0.0.0.0", token, settings });
    onTestFinished(() => dashboard.stop());
    const address = dashboard.url.replace("0.0.0.0", "localhost");
    expect((await fetch(`${address}settings.json`)).status).toBe(401);
    const page = await openPage(`${address}?token=${token}`);
    await page.locator("#board").waitFor();
    expect(await textOf(page, "#state")).toBe(ADMIN);
  });

  it("says in words why a login fails", async () => {
    const page = await openPage(url);
    const notice = page.locator("#notice");
    await logIn(page, { jid: ADMIN, password: "wrong" });
    await notice.filter({ hasText: "The server refused this JID or password" }).waitFor();
    await logIn(page, accountOf(stack.sandbox, "bob"));
    await notice.filter({ hasText: `bob@localhost is no administrator of ${stack.domain}` }).waitFor();
    await stack.component.stop();
    await logIn(page, accountOf(stack.sandbox, "ann"));
    await notice.filter({ hasText: `The component ${stack.domain} does not answer` }).waitFor();
    await stack.restartComponent(0);
    await logIn(page, accountOf(stack.sandbox, "ann"));
    await page.locator("#board").waitFor();
    expect(await notice.isVisible()).toBe(false);
  });
});

describe("npm start", () => {
  it("serves a dashboard that needs no login, and ends as before", async () => {
    const demo = startProgram(DEMO);
    const address = (): string | undefined => /^dashboard: (http:\S+)\n/m.exec(demo.output.stdout)?.[1];
    await until(() => address() !== undefined, 60_000, "the address");
    const url = address() ?? "";
    const page = await openPage(url);
    await page.locator("#services tr[data-key='user0@localhost/cpu']").waitFor();
    const whole = '#comparison tr[data-key="all services"]';
    await expect.poll(() => textOf(page, whole)).toMatch(/^all services\d+[\d.]+ B[\d.]+ B \([\d.]+×\)/);
    await expect.poll(() => textOf(page, "#comparison figcaption")).toMatch(/Stanzapack [\d.]+ k?B\/s/);
    await page.getByRole("button", { name: "user0@localhost/cpu" }).click();
    await expect.poll(() => page.locator("#live .chart").count()).toBeGreaterThan(0);

    for (const colorScheme of ["light", "dark"] as const)
      for (const width of [360, 1_280]) await expectGoodLooks(page, colorScheme, width);
    await expectNamedControls(page);
    await expectKeyboard(page);

    demo.process.kill("SIGTERM");
    expect(await demo.ended, demo.output.stderr).toBe(0);
    expect(demo.output.stdout).toContain("Nothing was lost.");
  });
});

/** Saves screenshots there, to look at them. */
const SCREENSHOTS = process.env["STANZAPACK_SCREENSHOT"];

async function expectGoodLooks(page: Page, colorScheme: "light" | "dark", width: number): Promise<void> {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height: 900 });
  const overflow = (): Promise<string[]> =>
    page.evaluate(`[...document.querySelectorAll("body, body *")]
      .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
      .filter((element) => element.checkVisibility() && !element.closest("thead"))
      .map((element) => element.outerHTML.slice(0, 100))`);
  // Charts follow the width of the window in the next frame.
  await expect.poll(overflow, { message: `${width} px` }).toEqual([]);
  const { scroll, client } = await page.evaluate<{ scroll: number; client: number }>(
    "({ scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth })",
  );
  expect(scroll).toBeLessThanOrEqual(client);
  const name = `${colorScheme}-${width}.png`;
  const png = await page.screenshot({
    fullPage: true,
    ...(SCREENSHOTS !== undefined && { path: join(SCREENSHOTS, name) }),
  });
  // Text, lines, scales and marks, each with smoothed edges.
  expect(await countColours(browser.context, png)).toBeGreaterThan(100);
}

const CONTROLS = "a[href], button, input, select, textarea, [tabindex='0']";

async function expectNamedControls(page: Page): Promise<void> {
  const nameless = await page.evaluate<string[]>(`[...document.querySelectorAll(${JSON.stringify(CONTROLS)})]
    .filter((control) => control.checkVisibility())
    .filter((control) => !(control.getAttribute("aria-label") || control.labels?.[0]?.textContent.trim() ||
      control.textContent.trim()))
    .map((control) => control.outerHTML)`);
  expect(nameless).toEqual([]);
}

/** Tab reaches every control that a reader sees, in the order of the page. */
async function expectKeyboard(page: Page): Promise<void> {
  const all = await page.evaluate<number>(`(() => {
    document.activeElement?.blur();
    window.reached = [];
    document.addEventListener("focusin", ({ target }) => window.reached.push(target));
    return [...document.querySelectorAll(${JSON.stringify(CONTROLS)})]
      .filter((control) => control.checkVisibility() && !control.disabled).length;
  })()`);
  expect(all).toBeGreaterThan(6);
  for (let i = 0; i < all + 2; i++) await page.keyboard.press("Tab");
  const missed = await page.evaluate<string[]>(`[...document.querySelectorAll(${JSON.stringify(CONTROLS)})]
    .filter((control) => control.checkVisibility() && !window.reached.includes(control))
    .map((control) => control.outerHTML.slice(0, 100))`);
  expect(missed).toEqual([]);
}

describe("stanzapack serve --dashboard", () => {
  it("serves the page with a token alone beyond this machine, and ends with SIGTERM", async () => {
    const folder = await mkdtemp(join(tmpdir(), "stanzapack-dashboard-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const config = join(folder, "stanzapack.yml");
    const token = "0123456789abcdef0123";
    await writeFile(join(folder, "secret"), "s3cret", { mode: 0o600 });
    await writeFile(join(folder, "token"), `${token}\n`, { mode: 0o600 });
    const write = (dashboard: object): Promise<void> =>
      writeFile(
        config,
        JSON.stringify({
          // No server listens there: the page is served all the same.
          component: { domain: "streams.localhost", port: 1, secretFile: "secret" },
          store: { kind: "memory" },
          dashboard: { port: 0, ...dashboard },
        }),
      );
    const serve = () => startProgram(COMMAND, "serve", "--config", config, "--dashboard");

    await write({ host: "0.0.0.0" });
    const refused = serve();
    expect(await refused.ended).toBe(1);
    expect(refused.output.stderr.trimEnd().split("\n").at(-1)).toMatch(
      /^stanzapack: invalid-options: the dashboard at 0\.0\.0\.0 needs a token\. .*dashboard\.tokenFile/,
    );

    await write({ tokenFile: "token", jid: ADMIN, passwordFile: "missing" });
    const withoutPassword = serve();
    expect(await withoutPassword.ended).toBe(1);
    expect(withoutPassword.output.stderr).toContain("dashboard.passwordFile");

    await write({ host: "0.0.0.0", tokenFile: "token", websocketUrl: "wss://localhost/ws" });
    const served = serve();
    const address = (): string | undefined =>
      /"url":"http:\/\/0\.0\.0\.0(:\d+\/)"/.exec(served.output.stderr)?.[1];
    await until(() => address() !== undefined, 30_000, "the address in the log");
    const url = `http://127.0.0.1${address()}`;
    await until(() => served.output.stderr.includes("nobody can log in"), 30_000, "the warning");
    expect(served.output.stderr).not.toContain(token);
    const page = await openPage(url);
    expect(await page.textContent("body")).toContain("dashboard.tokenFile");
    await page.goto(`${url}?token=${token}`);
    await page.getByRole("button", { name: "Log in" }).waitFor();
    expect(page.url()).toBe(url);
    await page.reload();
    await page.getByRole("button", { name: "Log in" }).waitFor();
    served.process.kill("SIGTERM");
    expect(await served.ended).toBe(0);
  });
});
