import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type Client } from "@stanzapack/client";
import { createDashboard } from "@stanzapack/dashboard";
import {
  startComponentProcess,
  startSandbox,
  type ComponentProcess,
  type Sandbox,
} from "@stanzapack/sandbox";
import { until } from "@stanzapack/testkit";
import { createClientConnection, NS, xml } from "@stanzapack/xmpp";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { accountOf, credentialsOf, domainOf, loginEnvironment } from "./support/accounts.js";
import { launchChromium } from "./support/browser.js";
import { COMMAND, startProgram, type Program } from "./support/program.js";
import { HELLO, openRawLink } from "./support/raw-link.js";
import { publishCounter } from "./support/stack.js";
import { behind, WHOLE } from "./support/whole.js";

/** Saves a picture of each fault in this folder, for docs/guides/watch-a-component.md and for people who guess. */
const SCREENSHOTS = process.env["STANZAPACK_SCREENSHOT"];
/** Only root may mount a disk that is full. */
const isRoot = process.getuid?.() === 0;

/** So much that the dashboard does not warn of it. It takes no memory while it is free. */
const AMPLE = "600m";

const LIMITS = {
  ...{ updatesPerSecond: 500, burstSeconds: 1, cutOffDebtSeconds: 30, cutOffSeconds: 5 },
  requestsPerSecond: 40,
};
const USERS = ["ann", "alice", "bob", "carol", "dave", "mallory", "oscar"];

describe.each(behind("prosody"))("what the dashboard says of faults made on purpose, on %s", (server) => {
  let sandbox: Sandbox;
  let component: ComponentProcess;
  let browser: Awaited<ReturnType<typeof launchChromium>>;
  let page: Page;
  let folder: string;
  /** Runs what was begun, the last first. */
  const undo: (() => unknown)[] = [];

  const logIn = async (user: string): Promise<Client> => {
    const client = await connect({ ...credentialsOf(sandbox, user), component: domainOf(sandbox) });
    onTestFinished(() => client.close());
    return client;
  };
  /** A command of ours in its own process, logged in as this user. */
  const run = (user: string, command: string, ...args: string[]): Program => {
    const environment = loginEnvironment(sandbox, user, folder);
    const login = ["JID", "PASSWORD_FILE", "COMPONENT", "URL", "CA"].flatMap((name) => [
      `--${name.toLowerCase().replace("_", "-")}`,
      environment[`STANZAPACK_${name}`] as string,
    ]);
    return startProgram(COMMAND, command, ...login, ...args);
  };
  /** Stops a process for some time, lets it go on for some time, and so on until the end of the test. */
  const interrupt = (pid: number, stoppedMs: number, freeMs: number): void => {
    let timer: NodeJS.Timeout;
    const stop = (): void => {
      process.kill(pid, "SIGSTOP");
      timer = setTimeout(() => {
        process.kill(pid, "SIGCONT");
        timer = setTimeout(stop, freeMs);
      }, stoppedMs);
    };
    stop();
    onTestFinished(() => {
      clearTimeout(timer);
      process.kill(pid, "SIGCONT");
    });
  };

  const finding = (text: RegExp) => page.locator("#findings li", { hasText: text });
  let pictures = 0;
  /** Waits until the page says so. `gone`: the fault is over, and the page no longer says so. */
  async function says(where: "#findings li" | "#notice", text: RegExp): Promise<void> {
    await page.locator(where, { hasText: text }).first().waitFor();
    if (SCREENSHOTS === undefined) return;
    mkdirSync(SCREENSHOTS, { recursive: true });
    const file = join(SCREENSHOTS, `fault-${++pictures}`);
    await page.screenshot({ path: `${file}.png`, fullPage: true });
    if (await page.locator("#findings").isVisible())
      await page
        .locator("section", { has: page.locator("#findings") })
        .screenshot({ path: `${file}-findings.png` });
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "stanzapack-faults-"));
    undo.push(() => rmSync(folder, { recursive: true, force: true }));
    const disk = join(folder, "disk");
    mkdirSync(disk);
    if (isRoot) {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${AMPLE}`, "tmpfs", disk]);
      undo.push(() => execFileSync("umount", ["-l", disk]));
    }
    sandbox = await startSandbox({ server, users: USERS });
    undo.push(() => sandbox.stop());
    component = await startComponentProcess(sandbox, {
      ...{ command: COMMAND, signal: new AbortController().signal, storePath: join(disk, "store") },
      ...{ admins: ["ann@localhost"], limits: LIMITS, logLevel: "error" },
      onFailure: (how) => process.stderr.write(`the component has ended with ${how}\n`),
    });
    undo.push(() => component.end("SIGKILL"));
    const { websocketUrl, boshUrl } = sandbox;
    const account = accountOf(sandbox, "ann");
    const settings = { component: domainOf(sandbox), websocketUrl, boshUrl, account };
    const dashboard = await createDashboard({ settings });
    undo.push(() => dashboard.stop());
    browser = await launchChromium();
    undo.push(() => browser.close());

    // What the component does all the time, so that a fault has to be found among other things.
    const [alice, bob] = await Promise.all(
      ["alice", "bob"].map((user) =>
        connect({ ...credentialsOf(sandbox, user), component: domainOf(sandbox) }),
      ),
    );
    undo.push(() => Promise.all([alice?.close(), bob?.close()]));
    const temperature = await (alice as Client).offer<number>("temperature", { title: "Kitchen, °C" });
    const orders = await (alice as Client).offer("orders", { kind: "log", durability: "sync" });
    let value = 0;
    const timer = setInterval(() => {
      temperature.publish(21 + (++value % 10) / 10);
      if (value % 5 === 0) orders.publish({ order: value, items: ["bolts", "nuts"] });
    }, 100);
    undo.push(() => clearInterval(timer));
    for (const { node } of [temperature, orders])
      (await (bob as Client).subscribe(node, { windowMs: 100 })).on("update", () => undefined);

    page = await browser.context.newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(dashboard.url);
    await page.locator("#services tr[data-key='alice@localhost/orders']").waitFor();
    await page.locator("#findings", { hasText: "Nothing" }).waitFor();
  });
  afterAll(async () => {
    for (const each of undo.reverse()) await each();
  });

  it("a program that does not read its updates", async () => {
    const carol = await logIn("carol");
    await carol.subscribe("alice@localhost/temperature", { maxQueued: 3 });
    await says("#findings li", /carol@localhost\/\S+: the program does not read its updates/);
    await expect.poll(() => page.locator("#peers").textContent()).toContain("carol@localhost/");
  });

  it("a client that has stopped", async () => {
    const dave = await logIn("dave");
    const fast = await dave.offer<number>("fast");
    const subscriber = run("carol", "subscribe", fast.node, "--window", "0");
    await until(() => fast.demand.windowMs === 0, 20_000, "the subscriber");
    const counter = publishCounter((value) => fast.publish(value), 10);
    onTestFinished(() => counter.stop());
    await until(() => subscriber.output.stdout !== "", 10_000, "its first value");
    subscriber.process.kill("SIGSTOP");
    await says(
      "#findings li",
      /carol@localhost\/\S+ does not acknowledge: .* such as to dave@localhost\/fast/,
    );
    await expect.poll(() => page.locator("#peers").textContent()).toContain("carol@localhost/");
  });

  it("a publisher over its budget", async () => {
    const dave = await logIn("dave");
    const flood = await dave.offer<number>("flood");
    (await (await logIn("carol")).subscribe(flood.node, { windowMs: 100 })).on("update", () => undefined);
    await until(() => flood.demand.windowMs === 100, 10_000, "its demand");
    const flooding = setInterval(() => {
      for (let i = 0; i < 20; i++) flood.publish(i);
    }, 20);
    onTestFinished(() => clearInterval(flooding));
    await says("#findings li", /dave@localhost\/flood: its publisher dave@localhost\/\S+ is over its budget/);
  });

  it("an account that is cut off", async () => {
    const { jid, password } = accountOf(sandbox, "mallory");
    const mallory = createClientConnection({ jid, password, urls: [sandbox.url], ca: sandbox.ca });
    await mallory.start();
    onTestFinished(() => mallory.stop());
    const link = await openRawLink(mallory, domainOf(sandbox));
    link.send(HELLO);
    await link.ask("set", xml("pubsub", NS.PUBSUB, xml("create", { node: "mallory@localhost/flood" })));
    await until(() => link.frames.some(({ type }) => type === "bind"), 5_000, "BIND");
    const ROWS = 2_000;
    for (let from = 1; link.end === undefined; from += ROWS) {
      link.send({
        ...{ type: "data", alias: 0, form: "rows", epoch: 1, from, to: from + ROWS - 1, at: 0, spanMs: 0 },
        payload: new Uint8Array(ROWS).fill(7),
      });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await says("#findings li", /mallory@localhost\S* is cut off until .* far over its budget/);
  });

  it.runIf(WHOLE)("a publisher that was killed", async () => {
    const publisher = run("dave", "offer", "load", "--every", "200ms", "--", "echo", "1");
    const carol = await logIn("carol");
    const row = "#services tr[data-key='dave@localhost/load']";
    await page.locator(row).waitFor();
    const load = await carol.subscribe("dave@localhost/load");
    await new Promise((resolve) => void load.once("update", resolve));
    await expect
      .poll(() => page.locator(row).textContent(), { timeout: 30_000 })
      .toMatch(/at once[45](\.\d)?.\/s/);
    publisher.process.kill("SIGKILL");
    // Its server keeps the session for a while. So the component thinks that the publisher is online.
    await says("#findings li", /dave@localhost\/load: no update for .*, before there were .*publisher hangs/);
  });

  it("a program whose requests are refused", async () => {
    const oscar = await logIn("oscar");
    let isOver = false;
    const asking = (async () => {
      while (!isOver) {
        await oscar.subscribe("alice@localhost/tempreature").catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    onTestFinished(() => {
      isOver = true;
      return asking;
    });
    await says(
      "#findings li",
      /requests are refused, the last of oscar@localhost\/\S+ with `no-such-service`/,
    );
  });

  it.runIf(isRoot)("a disk that is full", async () => {
    const disk = join(folder, "disk");
    const resize = (size: string): Buffer => execFileSync("mount", ["-o", `remount,size=${size}`, disk]);
    // The record of a new service would not be stored either, and the offer would be refused.
    const archive = await (await logIn("dave")).offer("archive", { kind: "log", durability: "sync" });
    resize("16m");
    expect(() => writeFileSync(join(disk, "full"), Buffer.alloc(64_000_000))).toThrow("ENOSPC");
    onTestFinished(() => {
      rmSync(join(disk, "full"));
      resize(AMPLE);
    });
    const counter = publishCounter(() => archive.publish(randomBytes(9_000).toString("base64")), 100);
    onTestFinished(() => counter.stop());
    await says("#findings li", /The store cannot write: .*(ENOSPC|[Nn]o space|full)/);
  });

  it("a component without a processor", async () => {
    interrupt(component.pid, 600, 600);
    await says("#findings li", /The component could do nothing for .* was stopped/);
  });

  it.runIf(WHOLE)("a server that answers late", async () => {
    interrupt(sandbox.pid, 1_500, 700);
    await says("#findings li", /The XMPP server takes .* to answer: it, or the network to it, is slow/);
  });

  it.runIf(WHOLE)("a component that has ended", async () => {
    await component.end("SIGKILL");
    await says("#notice", /connects again/);
    await component.start(new AbortController().signal);
    await page.locator("#notice").waitFor({ state: "hidden" });
    await expect.poll(() => finding(/offline/).count()).toBe(0);
  });
});
