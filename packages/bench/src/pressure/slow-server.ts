import { setTimeout as delay } from "node:timers/promises";
import { connect, type Client } from "@stanzapack/client";
import type { ServerKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import { startSandboxProcess, type SandboxProcess } from "../demo/sandbox-process.js";
import { percentile } from "../measure/percentile.js";

export interface SlowServerOptions {
  readonly server: ServerKind;
  readonly transport?: TransportKind;
  /** Time of publishing, in ms. Default 60,000. */
  readonly forMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
}

/** One row of `stanzapack bench slow-server`. Times in ms. Counting begins when the burst is over. */
export interface SlowServerRow {
  readonly server: ServerKind;
  readonly transport: TransportKind;
  /** Bytes per second that the publisher wants to send, as doubles in base64. */
  readonly offeredBytesPerSecond: number;
  readonly forMs: number;
  readonly published: number;
  readonly delivered: number;
  readonly conflated: number;
  readonly lost: number;
  /** The widest granted window. */
  readonly windowMs: number;
  /** Age of the newest value at the subscriber. */
  readonly ageP50Ms: number | null;
  readonly ageMaxMs: number | null;
  /** Largest age as a share of the allowed age, which is three granted windows plus 200 ms. */
  readonly ageOfAllowed: number;
  /** The same with `pacing: false`, at the same time. */
  readonly unpacedDelivered: number;
  readonly unpacedAgeP50Ms: number | null;
  readonly unpacedAgeMaxMs: number | null;
}

const EVERY_MS = 100;
const WINDOW_MS = 100;
const DOUBLES = 150;
const SAMPLE_MS = 50;
/** Time until the burst that servers let through has passed, and the pace is found, in ms. */
const SETTLED_MS = 12_000;
const SLACK_MS = 200;
const DEMAND_MS = 5_000;

interface Outcome {
  published: number;
  delivered: number;
  conflated: number;
  lost: number;
  windowMs: number;
  ofAllowed: number;
  readonly ages: number[];
}

/**
 * A publisher of 150 random doubles every 100 ms, at a server with the bytes per second that it ships with, which are
 * fewer. At the same time, another publisher without pacing.
 */
export async function runSlowServer(options: SlowServerOptions): Promise<SlowServerRow> {
  const { server, transport = "tcp", forMs = 60_000, onProgress } = options;
  const signal = options.signal ?? new AbortController().signal;
  onProgress?.(`starting ${server} with its default configuration, and the component …`);
  const sandbox = await startSandboxProcess(server, 3, signal, { transport, settings: "stock" });
  try {
    onProgress?.(`150 random doubles every ${EVERY_MS} ms, for ${forMs / 1_000} s …`);
    const [paced, unpaced] = await Promise.all([
      measure(sandbox, 0, true, forMs, signal),
      measure(sandbox, 1, false, forMs, signal),
    ]);
    const { published, delivered, conflated, lost, windowMs } = paced;
    return {
      ...{ server, transport },
      offeredBytesPerSecond: Math.round((DOUBLES * 8 * 4 * 1_000) / 3 / EVERY_MS),
      ...{ forMs, published, delivered, conflated, lost, windowMs },
      ageP50Ms: percentile(paced.ages, 0.5),
      ageMaxMs: percentile(paced.ages, 1),
      ageOfAllowed: Math.round(paced.ofAllowed * 100) / 100,
      unpacedDelivered: unpaced.delivered,
      unpacedAgeP50Ms: percentile(unpaced.ages, 0.5),
      unpacedAgeMaxMs: percentile(unpaced.ages, 1),
    };
  } finally {
    onProgress?.("stopping …");
    await sandbox.stop();
  }
}

async function measure(
  sandbox: SandboxProcess,
  account: number,
  pacing: boolean,
  forMs: number,
  signal: AbortSignal,
): Promise<Outcome> {
  const clients: Client[] = [];
  const login = async (index: number): Promise<Client> => {
    const { jid, password } = sandbox.accounts[index] as { jid: string; password: string };
    const client = await connect({
      jid,
      password,
      component: sandbox.streams,
      pacing,
      signal,
      ...sandbox.road,
    });
    clients.push(client);
    return client;
  };
  const outcome: Outcome = {
    ...{ published: 0, delivered: 0, conflated: 0, lost: 0, windowMs: 0, ofAllowed: 0 },
    ages: [],
  };
  let timers: NodeJS.Timeout[] = [];
  try {
    const service = await (await login(account)).offer("doubles");
    const subscription = await (await login(2)).subscribe(service.node, { windowMs: WINDOW_MS });
    const publishedAt = [performance.now()];
    let newest = 0;
    subscription.on("update", ({ offset }) => {
      newest = offset;
      outcome.delivered++;
    });
    subscription.on("conflated", ({ from, to }) => (outcome.conflated += to - from + 1));
    subscription.on("lost", ({ from, to }) => (outcome.lost += to - from + 1));
    const deadline = performance.now() + DEMAND_MS;
    while (service.demand.subscribers === 0 && performance.now() < deadline)
      await delay(10, undefined, { signal });
    const began = performance.now();
    timers = [
      setInterval(() => {
        service.publish(Array.from({ length: DOUBLES }, () => Math.random()));
        publishedAt.push(performance.now());
        outcome.published++;
      }, EVERY_MS),
      setInterval(() => {
        const now = performance.now();
        if (now - began < SETTLED_MS) return;
        const age = now - (publishedAt[newest] as number);
        outcome.ages.push(age);
        outcome.windowMs = Math.max(outcome.windowMs, subscription.windowMs);
        outcome.ofAllowed = Math.max(outcome.ofAllowed, age / (3 * subscription.windowMs + SLACK_MS));
      }, SAMPLE_MS),
    ];
    await delay(forMs, undefined, { signal });
    return outcome;
  } finally {
    for (const timer of timers) clearInterval(timer);
    await Promise.all(clients.map((client) => client.close()));
  }
}
