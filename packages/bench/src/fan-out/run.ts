import { setTimeout as delay } from "node:timers/promises";
import type { ServerKind } from "@stanzapack/sandbox";
import type { SandboxProcess } from "../demo/sandbox-process.js";
import { Crowd } from "./crowd.js";
import { percentile } from "../measure/percentile.js";
import { readProcessUsage, type ProcessUsage } from "../measure/process-usage.js";

export interface FanOutOptions {
  readonly server: ServerKind;
  /** Default 200. */
  readonly subscribers?: number;
  /** Default 10. */
  readonly updatesPerSecond?: number;
  /** Default 100. */
  readonly windowMs?: number;
  /** Length of the measurement, in ms. Default 20,000. */
  readonly forMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
}

/** One row of `stanzapack bench fanout`. Times in µs and ms, memory in bytes. Null: not measured. */
export interface FanOutRow {
  readonly system: "stanzapack";
  readonly server: ServerKind;
  readonly subscribers: number;
  readonly updatesPerSecond: number;
  readonly windowMs: number;
  /** Data stanzas that reached subscribers. */
  readonly stanzas: number;
  /** Updates that reached subscribers. */
  readonly updates: number;
  readonly componentCpuUsPerStanza: number | null;
  readonly serverCpuUsPerStanza: number | null;
  readonly totalCpuUsPerUpdate: number | null;
  /** Ages from `publish` to the subscriber's callback, in ms. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly componentRssBytesPerSubscriber: number | null;
}

/** Time before the measurement, in ms, in which the stream settles. */
const WARM_UP_MS = 2_000;

/** Measures what component and server spend on each stanza if one small update goes to many subscribers. */
export async function runFanOut(options: FanOutOptions): Promise<FanOutRow> {
  const {
    server,
    subscribers = 200,
    updatesPerSecond = 10,
    windowMs = 100,
    forMs = 20_000,
    onProgress,
  } = options;
  const signal = options.signal ?? new AbortController().signal;
  const crowd = await Crowd.start({ server, size: subscribers, signal, onProgress });
  const { sandbox } = crowd;
  try {
    const publisher = await crowd.publisher();
    const service = await publisher.offer("tick");
    const before = await usage(sandbox);
    const load = { stanzas: 0, updates: 0, ages: [] as number[] };
    await crowd.gather(async (client) => {
      client.onBlock = (_chars, frames) => {
        if (frames.some(({ frame }) => frame.type === "data" || frame.type === "coded")) load.stanzas++;
      };
      const subscription = await client.subscribe<number>(service.node, { windowMs });
      subscription.on("update", ({ value }) => {
        load.updates++;
        load.ages.push(Date.now() - value);
      });
    });
    const subscribed = await usage(sandbox);
    onProgress?.(`measuring for ${forMs / 1_000} s …`);
    const timer = setInterval(() => service.publish(Date.now()), 1_000 / updatesPerSecond);
    try {
      await delay(WARM_UP_MS, undefined, { signal });
      Object.assign(load, { stanzas: 0, updates: 0, ages: [] });
      const start = await usage(sandbox);
      await delay(forMs, undefined, { signal });
      const end = await usage(sandbox);
      return {
        system: "stanzapack",
        ...{ server, subscribers, updatesPerSecond, windowMs },
        ...{ stanzas: load.stanzas, updates: load.updates },
        ...costs(start, end, load),
        ...percentiles(load.ages),
        componentRssBytesPerSubscriber: difference(
          before.component?.rssBytes,
          subscribed.component?.rssBytes,
          subscribers,
        ),
      };
    } finally {
      clearInterval(timer);
    }
  } finally {
    await crowd.stop();
  }
}

interface Usage {
  readonly server: ProcessUsage | undefined;
  readonly component: ProcessUsage | undefined;
}

async function usage({ pids }: SandboxProcess): Promise<Usage> {
  return { server: await readProcessUsage(pids.server), component: await readProcessUsage(pids.component) };
}

function difference(before: number | undefined, after: number | undefined, per: number): number | null {
  return before === undefined || after === undefined || per === 0
    ? null
    : Math.round(((after - before) / per) * 100) / 100;
}

function costs(
  start: Usage,
  end: Usage,
  load: { readonly stanzas: number; readonly updates: number },
): Pick<FanOutRow, "componentCpuUsPerStanza" | "serverCpuUsPerStanza" | "totalCpuUsPerUpdate"> {
  const total = (it: Usage): number | undefined =>
    it.server && it.component && it.server.cpuUs + it.component.cpuUs;
  return {
    componentCpuUsPerStanza: difference(start.component?.cpuUs, end.component?.cpuUs, load.stanzas),
    serverCpuUsPerStanza: difference(start.server?.cpuUs, end.server?.cpuUs, load.stanzas),
    totalCpuUsPerUpdate: difference(total(start), total(end), load.updates),
  };
}

function percentiles(ages: number[]): Pick<FanOutRow, "p50Ms" | "p99Ms"> {
  return { p50Ms: percentile(ages, 0.5), p99Ms: percentile(ages, 0.99) };
}
