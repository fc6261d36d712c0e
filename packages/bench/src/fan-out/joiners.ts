import { setTimeout as delay } from "node:timers/promises";
import type { Client, Subscription } from "@stanzapack/client";
import type { ServerKind } from "@stanzapack/sandbox";
import { beginsAnew, type Value } from "@stanzapack/wire";
import { percentile } from "../measure/percentile.js";
import { objects } from "../workloads/series.js";
import { Crowd } from "./crowd.js";

export interface JoinersOptions {
  readonly server: ServerKind;
  /** Number of subscribers, of which a tenth join and leave. Default 100. */
  readonly subscribers?: number;
  /** Length of each of the two runs, in ms. Default 120,000. */
  readonly forMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
}

/** One row of `stanzapack bench joiners`. Bytes are those of XMPP, both ways, and per update. Times are in ms. */
export interface JoinersRow {
  readonly server: ServerKind;
  readonly subscribers: number;
  /** Number of subscribers that stay. Only their bytes are counted. */
  readonly staying: number;
  readonly updatesPerSecond: number;
  readonly windowMs: number;
  readonly joins: number;
  /** Updates published in the second run; and updates that a staying subscriber did not receive, in both runs. */
  readonly updates: number;
  readonly lost: number;
  /**
   * Bytes to a staying subscriber: while nobody joins; while one joins and one leaves every second; the ratio of the
   * two.
   */
  readonly quietBytesPerUpdate: number;
  readonly busyBytesPerUpdate: number;
  readonly ratio: number;
  /** Bytes to a joiner until it was on the lane. */
  readonly joinerBytesPerUpdate: number | null;
  /** Time from the request to subscribe until the body with which the joiner is on the lane. */
  readonly waitP50Ms: number | null;
  readonly waitMaxMs: number | null;
  /** Number of joiners that left before they were on the lane. */
  readonly leftWaiting: number;
}

const UPDATES_PER_SECOND = 10;
const WINDOW_MS = 100;
const JOIN_EVERY_MS = 1_000;
/** Longest time until the last update has arrived, in ms. */
const ARRIVAL_MS = 2_000;

/**
 * Measures what members that join and leave a lane cost the others. Sends the same values twice, without and with
 * joining.
 */
export async function runJoiners(options: JoinersOptions): Promise<JoinersRow> {
  const { server, subscribers = 100, forMs = 120_000, onProgress } = options;
  const signal = options.signal ?? new AbortController().signal;
  const guests = Math.max(1, Math.round(subscribers / 10));
  const staying = subscribers - guests;
  // One client more: a guest joins before another leaves.
  const crowd = await Crowd.start({ server, size: subscribers + 1, signal, onProgress });
  try {
    const publisher = await crowd.publisher();
    const clients: Client[] = [];
    await crowd.gather((client, index) => Promise.resolve(void (clients[index] = client)));
    const run = async (name: string, joins: boolean): Promise<Outcome> => {
      const service = await publisher.offer(name);
      const stay = await Promise.all(
        clients.slice(0, staying).map((client) => Staying.join(client, service.node)),
      );
      const come = clients.slice(staying).map((client) => new Guest(client, service.node));
      await Promise.all(come.slice(1).map((guest) => guest.join()));
      // Guests that are there from the beginning do not count as joining.
      for (const guest of come) guest.forget();
      onProgress?.(
        `${joins ? "one joins and one leaves every second" : "nobody joins"}: ${forMs / 1_000} s …`,
      );
      const values = objects();
      let published = 0;
      const timer = setInterval(() => {
        service.publish(values.next().value);
        published++;
      }, 1_000 / UPDATES_PER_SECOND);
      try {
        if (joins) await comeAndGo(come, forMs, signal);
        else await delay(forMs, undefined, { signal });
      } finally {
        clearInterval(timer);
      }
      await delay(ARRIVAL_MS, undefined, { signal });
      const outcome = { published, bytes: 0, lost: 0, guests: come };
      for (const one of stay) {
        outcome.bytes += one.bytes();
        outcome.lost += published - one.updates;
      }
      await service.stop();
      return outcome;
    };
    const quiet = await run("quiet", false);
    const busy = await run("busy", true);
    const perUpdate = ({ bytes, published }: Outcome): number => round(bytes / staying / published);
    const waits = busy.guests.flatMap((guest) => guest.waits);
    const [bytes, updates] = [sum(busy.guests, "waitingBytes"), sum(busy.guests, "waitingUpdates")];
    return {
      ...{ server, subscribers, staying, updatesPerSecond: UPDATES_PER_SECOND, windowMs: WINDOW_MS },
      joins: sum(busy.guests, "joins"),
      updates: busy.published,
      lost: quiet.lost + busy.lost,
      quietBytesPerUpdate: perUpdate(quiet),
      busyBytesPerUpdate: perUpdate(busy),
      ratio: round(perUpdate(busy) / perUpdate(quiet)),
      joinerBytesPerUpdate: updates === 0 ? null : round(bytes / updates),
      waitP50Ms: percentile(waits, 0.5),
      waitMaxMs: percentile(waits, 1),
      leftWaiting: sum(busy.guests, "leftWaiting"),
    };
  } finally {
    await crowd.stop();
  }
}

interface Outcome {
  readonly published: number;
  /** Bytes to all that stay. */
  bytes: number;
  lost: number;
  readonly guests: readonly Guest[];
}

async function comeAndGo(guests: readonly Guest[], forMs: number, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  for (let turn = 0; (turn + 1) * JOIN_EVERY_MS < forMs; turn++) {
    await delay(startedAt + (turn + 1) * JOIN_EVERY_MS - performance.now(), undefined, { signal });
    // The guest that left last joins. Then the guest that has stayed longest leaves.
    await (guests[turn % guests.length] as Guest).join();
    await (guests[(turn + 1) % guests.length] as Guest).leave();
  }
  await delay(startedAt + forMs - performance.now(), undefined, { signal });
}

class Staying {
  updates = 0;

  private constructor(
    private readonly client: Client,
    private readonly before: number,
  ) {}

  static async join(client: Client, node: string): Promise<Staying> {
    const subscription = await client.subscribe<Value>(node, { windowMs: WINDOW_MS });
    const one = new Staying(client, bytesOf(client));
    subscription.on("update", () => one.updates++);
    return one;
  }

  /** Bytes since it joined. */
  bytes(): number {
    return bytesOf(this.client) - this.before;
  }
}

function bytesOf({ meter }: Client): number {
  return meter.received.xmpp + meter.sent.xmpp;
}

class Guest {
  joins = 0;
  leftWaiting = 0;
  waitingBytes = 0;
  waitingUpdates = 0;
  readonly waits: number[] = [];
  private subscription: Subscription<Value> | undefined;
  /** Undefined if the guest is not subscribed, or is on the lane. */
  private waitingSince: number | undefined;

  constructor(
    private readonly client: Client,
    private readonly node: string,
  ) {}

  async join(): Promise<void> {
    this.joins++;
    this.waitingSince = performance.now();
    this.client.onBlock = (chars, frames) => this.look(chars, frames);
    this.subscription = await this.client.subscribe<Value>(this.node, { windowMs: WINDOW_MS });
    this.subscription.on("update", () => {
      if (this.waitingSince !== undefined) this.waitingUpdates++;
    });
  }

  async leave(): Promise<void> {
    if (this.waitingSince !== undefined) this.leftWaiting++;
    this.waitingSince = undefined;
    await this.subscription?.stop();
  }

  forget(): void {
    this.joins = 0;
    this.waitingSince = undefined;
  }

  private look(chars: number, frames: Parameters<NonNullable<Client["onBlock"]>>[1]): void {
    if (this.waitingSince === undefined) return;
    for (const { frame, node } of frames) {
      if (node !== this.node || (frame.type !== "data" && frame.type !== "coded")) continue;
      if (!beginsAnew(frame)) {
        this.waitingBytes += chars;
        continue;
      }
      this.waits.push(performance.now() - this.waitingSince);
      this.waitingSince = undefined;
      return;
    }
  }
}

function sum<K extends "joins" | "leftWaiting" | "waitingBytes" | "waitingUpdates">(
  guests: readonly Guest[],
  what: K,
): number {
  return guests.reduce((total, guest) => total + guest[what], 0);
}

function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
