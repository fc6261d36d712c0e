import type { Store, StoredService } from "@stanzapack/component/store";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import { setImmediate } from "node:timers/promises";
import { lcg } from "../workloads/random.js";
import type { Durability } from "./rows.js";

/** Bytes of an update: a line of a log. */
const ROW_BYTES = 100;
/** Different updates, so that nothing is equal by chance. */
const ROWS = 1_024;
/** Longest time without a turn of the event loop, in ms. A component reads from its server meanwhile. */
const TURN_MS = 2;
/** Most times that are kept for the percentile. */
const MAX_TIMES = 100_000;

/** Updates that look like log lines: text with numbers that change. */
export function createLines(): readonly Uint8Array[] {
  const random = lcg(1);
  return Array.from({ length: ROWS }, () => {
    let text = "";
    while (text.length < ROW_BYTES - 2) text += ` ${Math.floor(random() * 1e9).toString(36)}`;
    const line = Buffer.from(text.slice(0, ROW_BYTES - 2));
    // msgpack: a text of 8 bits of length.
    return Buffer.concat([Uint8Array.of(0xd9, line.length), line]);
  });
}

/** One publisher, whose updates go into one service. */
interface Writer {
  readonly service: StoredService;
  offset: number;
  isBusy: boolean;
}

export async function createServices(
  store: Store,
  count: number,
  durability: Durability,
): Promise<StoredService[]> {
  const created: Promise<StoredService>[] = [];
  for (let i = 0; i < count; i++) {
    const record = {
      ...{ node: `user${i}@example.org/log`, durability, config: { kind: "log" }, epoch: i + 1, offset: 0 },
      ...{ baseAt: wallNow(), seenAt: wallNow(), incarnations: [], approved: [], last: undefined },
    };
    created.push(Promise.resolve(store.create(record)));
  }
  return Promise.all(created);
}

/** Appends one update, as the component does for a batch of one. */
export function appendOne(service: StoredService, offset: number, row: Uint8Array): void | Promise<void> {
  return service.write({
    append: { from: offset, to: offset, rows: [row], ats: [monotonicNow()], cameAt: wallNow() },
    incarnations: [{ incarnation: 1, arrived: offset, stored: offset }],
  });
}

/**
 * Appends to all services for `forMs`. Each writer awaits the acknowledgement of an update before it appends the next.
 * Returns the number of acknowledged appends, and a random part of their times in ms.
 */
export async function appendFor(
  services: readonly StoredService[],
  forMs: number,
): Promise<{ readonly appends: number; readonly timesMs: number[] }> {
  const lines = createLines();
  const writers = services.map((service): Writer => ({
    service,
    offset: service.record.offset,
    isBusy: false,
  }));
  const timesMs: number[] = [];
  let appends = 0;
  let busy = 0;
  let wake: (() => void) | undefined;
  let failure: Error | undefined;
  const acknowledged = (sinceMs: number): void => {
    appends++;
    const ms = monotonicNow() - sinceMs;
    if (timesMs.length < MAX_TIMES) timesMs.push(ms);
    else {
      const place = Math.floor(Math.random() * appends);
      if (place < MAX_TIMES) timesMs[place] = ms;
    }
  };
  const append = (writer: Writer): void => {
    const before = monotonicNow();
    const row = lines[++writer.offset % ROWS] as Uint8Array;
    const done = appendOne(writer.service, writer.offset, row);
    if (!(done instanceof Promise)) return acknowledged(before);
    writer.isBusy = true;
    busy++;
    done
      .then(
        () => acknowledged(before),
        (error: Error) => void (failure ??= error),
      )
      .finally(() => {
        writer.isBusy = false;
        busy--;
        wake?.();
      });
  };
  const until = monotonicNow() + forMs;
  for (let now = monotonicNow(); now < until && failure === undefined;) {
    const turn = Math.min(until, now + TURN_MS);
    while (busy < writers.length && now < turn) {
      for (const writer of writers) if (!writer.isBusy) append(writer);
      now = monotonicNow();
    }
    if (busy < writers.length) await setImmediate();
    else await new Promise<void>((resolve) => (wake = resolve));
    now = monotonicNow();
  }
  while (busy > 0) await new Promise<void>((resolve) => (wake = resolve));
  if (failure !== undefined) throw failure;
  return { appends, timesMs };
}
