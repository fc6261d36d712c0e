// A crowd: one publisher of a value and a log, and many subscribers of both. Ages are by this process's own clock.
import { setTimeout as delay } from "node:timers/promises";
import { connect, type Client, type OfferedService } from "@stanzapack/client";
import type { Value } from "@stanzapack/wire";
import { DemoError } from "../demo/failure.js";
import { percentile } from "../measure/percentile.js";
import { answerCalls } from "../measure/rpc.js";
import { objects } from "../workloads/series.js";
import { Ledger } from "./ledger.js";
import type { Account, CrowdMethods, Road } from "./methods.js";

/** Number of clients that log in at once. */
const AT_ONCE = 10;
const CONNECT_MS = 60_000;

/** A published value: its number, its phase, the time of publishing, and five fields. */
interface Reading {
  readonly n: number;
  readonly phase: number;
  readonly at: number;
}

interface Phase {
  readonly published: number[];
  readonly ages: number[];
  got: number;
  conflated: number;
}

interface Taker {
  readonly client: Client;
  readonly ledgers: readonly Ledger[];
  /** For each service, the time at which the first value arrived that was published after the mark, in ms. */
  backAt: (number | undefined)[];
  interrupted: boolean;
}

let publisher: Client | undefined;
let services: readonly OfferedService[] = [];
const takers: Taker[] = [];
const phases: Phase[] = [];
let timer: NodeJS.Timeout | undefined;
let markedAt = Infinity;

const methods: CrowdMethods = {
  async offer({ account, road }) {
    publisher = await connect({ ...account, ...road, timeoutMs: CONNECT_MS });
    services = [await publisher.offer("now"), await publisher.offer("log", { kind: "log" })];
    methods.begin(null);
    return services.map(({ node }) => node);
  },

  async gather({ accounts, road, windowMs }) {
    const waiting = accounts.values();
    const worker = async (): Promise<void> => {
      for (const account of waiting) await join(account, road, windowMs);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  },

  publish({ perSecond }) {
    const values = services.map(() => objects());
    const next = (): void => {
      for (const [index, service] of services.entries()) {
        const { phase, published } = current();
        published[index] = (published[index] ?? 0) + 1;
        const { value } = (values[index] as Generator<Value, never>).next();
        const at = Math.round(performance.now() * 10) / 10;
        service.publish({ n: service.published + 1, phase, at, ...(value as Record<string, Value>) });
      }
    };
    // At uneven times: even times would always fall at the same point of a window.
    const wait = (): void => {
      timer = setTimeout(
        () => {
          next();
          wait();
        },
        (Math.random() + 0.5) * (1_000 / perSecond),
      );
    };
    wait();
  },

  begin() {
    phases.push({ published: services.map(() => 0), ages: [], got: 0, conflated: 0 });
    return phases.length - 1;
  },

  async settle({ timeoutMs }) {
    clearTimeout(timer);
    const deadline = performance.now() + timeoutMs;
    const behind = (): boolean =>
      takers.some(({ ledgers }) =>
        ledgers.some((ledger, index) => ledger.position < (services[index] as OfferedService).published),
      );
    while (behind() && performance.now() < deadline) await delay(50);
  },

  result({ phase: number }) {
    const phase = phases[number];
    if (phase === undefined) throw new DemoError("usage", `there is no phase ${number}`);
    const due = phase.published.reduce((sum, count) => sum + count, 0) * takers.length;
    return {
      published: phase.published,
      updates: phase.got,
      missing: due - phase.got,
      conflated: phase.conflated,
      ageP50Ms: percentile(phase.ages, 0.5),
      ageP99Ms: percentile(phase.ages, 0.99),
    };
  },

  mark() {
    markedAt = performance.now();
    for (const taker of takers) {
      taker.backAt = services.map(() => undefined);
      taker.interrupted = false;
    }
  },

  returned() {
    const backMs = takers
      .map(({ backAt }) => Math.max(...backAt.map((at) => at ?? Infinity)) - markedAt)
      .filter((ms) => ms !== Infinity)
      .sort((a, b) => a - b);
    return {
      subscribers: takers.length,
      back: backMs.length,
      backMs,
      interrupted: takers.filter(({ interrupted }) => interrupted).length,
    };
  },

  faults() {
    const sum = (pick: (ledger: Ledger) => number, index?: number): number =>
      takers.reduce(
        (total, { ledgers }) =>
          total + ledgers.reduce((s, it, i) => s + (index === undefined || index === i ? pick(it) : 0), 0),
        0,
      );
    return {
      positions: sum(({ faults }) => faults),
      valueLost: sum(({ lost }) => lost, 0),
      logLost: sum(({ lost }) => lost, 1),
    };
  },
};

function current(): Phase & { readonly phase: number } {
  const phase = phases.length - 1;
  return Object.assign(phases[phase] as Phase, { phase });
}

async function join(account: Account, road: Road, windowMs: number): Promise<void> {
  const client = await connect({ ...account, ...road, timeoutMs: CONNECT_MS });
  const ledgers = services.map(() => new Ledger());
  const taker: Taker = { client, ledgers, backAt: services.map(() => undefined), interrupted: false };
  client.on("offline", () => (taker.interrupted = true));
  for (const [index, { node }] of services.entries()) {
    const ledger = ledgers[index] as Ledger;
    const subscription = await client.subscribe<Reading>(node, { windowMs });
    subscription.on("lost", ({ from, to }) => ledger.lose(from, to));
    subscription.on("reset", () => ledger.reset());
    subscription.on("conflated", ({ from, to }) => {
      ledger.conflate(from, to);
      current().conflated += to - from + 1;
    });
    subscription.on("update", ({ value, offset }) => {
      const now = performance.now();
      ledger.update(offset, value.n);
      const phase = phases[value.phase];
      if (phase !== undefined) {
        phase.got++;
        phase.ages.push(now - value.at);
      }
      if (value.at >= markedAt) taker.backAt[index] ??= now;
    });
  }
  takers.push(taker);
}

answerCalls(methods, async () => {
  clearTimeout(timer);
  await Promise.allSettled([...takers.map(({ client }) => client.close()), publisher?.close()]);
});
