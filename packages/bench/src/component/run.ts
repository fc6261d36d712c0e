import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DemoError } from "../demo/failure.js";
import { startWorker, type Worker } from "../measure/worker.js";
import type { ComponentMethods, Envelope, ServerMethods } from "./methods.js";
import { toRows, type Base, type ComponentRow, type Step } from "./slopes.js";

export interface ComponentOptions {
  /** Numbers of subscribers, smallest first. Each is measured as one step. Default 200, 1,000, 5,000. */
  readonly subscribers?: readonly number[];
  /** Updates a second. Each rate is measured at each step. Default 10. */
  readonly rates?: readonly number[];
  /** Subscribers that share a bare JID. Default 1, since an account for each subscriber costs the component most. */
  readonly resources?: number;
  /** Window of every subscription, in ms. Default 100. */
  readonly windowMs?: number;
  /** Envelope of the stanzas to subscribers. Default `lean`, as with the SDK. */
  readonly envelope?: Envelope;
  /** How long processor time is measured at each rate of a step, in ms. Default 10,000. */
  readonly forMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
}

const DOMAIN = "streams.simulated.test";
/** Time until code is compiled, and every subscriber has acknowledged and received the first updates, in ms. */
const FIRST_WARM_UP_MS = 8_000;
const WARM_UP_MS = 6_000;
/** Time until stanzas under way have arrived, and timers of the last tick have run, in ms. */
const SETTLE_MS = 500;

const COMPONENT = fileURLToPath(new URL("./component-process.js", import.meta.url));
const SERVER = fileURLToPath(new URL("./server-process.js", import.meta.url));

/**
 * Limits that let many clients of one account join at once, as no real server does. Only their cost after joining is
 * measured.
 */
const UNHURRIED = {
  ...{ maxLinks: 1_000_000, opensPerSecond: 1_000_000, opensBurst: 1_000_000, opensSharePercent: 100 },
  ...{ requestsPerSecond: 100_000, maxLinksPerJid: 1_000_000, maxSubscriptionsPerJid: 1_000_000 },
};

/**
 * Measures the cost of each further stanza and subscriber for a component that runs alone in its process, behind a
 * simulated server. The results are slopes over several numbers of subscribers, in steady state.
 */
export async function runComponent(options: ComponentOptions = {}): Promise<ComponentRow[]> {
  const { subscribers = [200, 1_000, 5_000], onProgress } = options;
  const signal = options.signal ?? new AbortController().signal;
  onProgress?.("starting the component and a simulated server …");
  const server = startWorker<ServerMethods>(SERVER, "the simulated server's process");
  const component = startWorker<ComponentMethods>(COMPONENT, "the component's process", {
    execArgv: ["--expose-gc"],
  });
  try {
    const port = await server.call("listen", { domain: DOMAIN }, signal);
    await component.call("start", { domain: DOMAIN, secret: "secret", port, limits: UNHURRIED }, signal);
    await server.call("offer", null, signal);
    await delay(SETTLE_MS, undefined, { signal });
    const base: Base = await component.call("use", { collects: true }, signal);
    const steps: Step[] = [];
    for (const count of [...subscribers].sort((a, b) => a - b))
      steps.push(...(await measureStep(server, component, count, options, signal)));
    return toRows(base, steps);
  } finally {
    onProgress?.("stopping …");
    await component.stop();
    await server.stop();
  }
}

async function measureStep(
  server: Worker<ServerMethods>,
  component: Worker<ComponentMethods>,
  subscribers: number,
  options: ComponentOptions,
  signal: AbortSignal,
): Promise<Step[]> {
  const { rates = [10], resources = 1, windowMs = 100, forMs = 10_000, onProgress } = options;
  const { envelope = "lean" } = options;
  onProgress?.(`${subscribers} subscribers join …`);
  const { subscribers: there } = await server.call("counts", null, signal);
  await server.call("join", { count: subscribers - there, resources, windowMs, envelope }, signal);
  const steps: Step[] = [];
  for (const perSecond of rates) {
    await server.call("publish", { perSecond }, signal);
    await delay(there === 0 && steps.length === 0 ? FIRST_WARM_UP_MS : WARM_UP_MS, undefined, { signal });
    onProgress?.(
      `${subscribers} subscribers, ${perSecond} updates a second: measuring for ${forMs / 1_000} s …`,
    );
    const before = await component.call("use", { collects: false }, signal);
    const startedAt = performance.now();
    await delay(forMs, undefined, { signal });
    const after = await component.call("use", { collects: false }, signal);
    const seconds = (performance.now() - startedAt) / 1_000;
    await server.call("publish", { perSecond: 0 }, signal);
    await delay(SETTLE_MS, undefined, { signal });
    const { heapBytes, rssBytes, stats } = await component.call("use", { collects: true }, signal);
    const counts = await server.call("counts", null, signal);
    if (counts.faults > 0 || counts.dataStanzas !== stats.dataStanzasSent || stats.detachments > 0)
      throw new DemoError(
        "internal",
        `the measurement is not valid: ${stats.dataStanzasSent} stanzas were sent, ${counts.dataStanzas} arrived, ` +
          `${counts.faults} of them wrong; subscribers had to wait ${stats.detachments} times`,
      );
    steps.push({
      ...{ subscribers, accounts: Math.ceil(subscribers / resources), heapBytes, rssBytes },
      stanzasPerSecond: (after.stats.dataStanzasSent - before.stats.dataStanzasSent) / seconds,
      cpuUsPerSecond: (after.cpuUs - before.cpuUs) / seconds,
    });
  }
  return steps;
}
