// The publisher's process: publishes every workload to our component, and in the rivals' forms.
import { setTimeout as delay } from "node:timers/promises";
import { connect, type Client, type OfferedService } from "@stanzapack/client";
import {
  createComponentConnection,
  createInBandBytestreams,
  type Connection,
  type InBandBytestreams,
} from "@stanzapack/xmpp";
import { hashJson } from "../demo/delivery.js";
import { DemoError } from "../demo/failure.js";
import { steadyMs } from "./clock.js";
import type { PublishedValues, PublisherCell, PublisherMethods } from "./publisher-methods.js";
import { startRivalSender, type RivalSender } from "./rival-sender.js";
import { answerCalls } from "../measure/rpc.js";
import { createFeeds, type WorkloadId } from "./workloads.js";

/** Longest time until our component reports a subscriber, in ms. */
const DEMAND_MS = 10_000;
/** Every service publishes its first value within this time, even if it publishes seldom, in ms. */
const FIRST_MS = 100;
/** Time after the last window in which its batch is sent, in ms. */
const LAST_WINDOW_SLACK_MS = 50;

interface Aimed {
  readonly cell: PublisherCell;
  /** Our services, in the order of the feeds. Empty if nobody subscribes. */
  readonly services: readonly OfferedService[];
  readonly rivals: readonly RivalSender[];
}

let client: Client | undefined;
let rivals: { readonly connection: Connection; readonly streams: InBandBytestreams } | undefined;
let aimed: Aimed[] = [];

const methods: PublisherMethods = {
  async start({ account, component, url, ca, rival }) {
    const connection = createComponentConnection({ ...rival, retryStart: false });
    rivals = { connection, streams: createInBandBytestreams(connection) };
    await connection.start();
    client = await connect({ ...account, component, url, ca });
  },

  async aim(cells) {
    await methods.release(null);
    aimed = await Promise.all(cells.map(aim));
    return Object.fromEntries(
      aimed.map(({ cell, services }) => [cell.workload, services.map(({ node }) => node)]),
    );
  },

  async publish({ forMs }) {
    await untilDemanded();
    const published: Partial<Record<WorkloadId, PublishedValues[]>> = {};
    const windowMs = Math.max(0, ...aimed.map(({ cell }) => cell.windowMs));
    const stops = aimed.flatMap((target) => {
      const logs = createFeeds(target.cell.workload).map(() => ({
        hashes: [] as number[],
        at: [] as number[],
      }));
      published[target.cell.workload] = logs;
      return publishFeeds(target, logs);
    });
    await delay(forMs);
    for (const stop of stops) stop();
    await delay(windowMs + LAST_WINDOW_SLACK_MS);
    return published;
  },

  async release() {
    const past = aimed;
    aimed = [];
    for (const { rivals: senders } of past) for (const sender of senders) sender.stop();
    await Promise.all(past.flatMap(({ services }) => services.map((service) => service.stop())));
  },
};

async function aim(cell: PublisherCell): Promise<Aimed> {
  if (rivals === undefined || client === undefined) throw new DemoError("usage", "call `start` first");
  const { connection, streams } = rivals;
  const { windowMs, workload } = cell;
  const feeds = createFeeds(workload);
  const services: OfferedService[] = [];
  if (cell.subscribed)
    for (const { name } of feeds) services.push(await client.offer(name, { kind: "value", access: "open" }));
  const senders = await Promise.all(
    cell.rivals.map((rival) =>
      startRivalSender(connection, streams, { ...rival, feeds: feeds.length, windowMs }),
    ),
  );
  return { cell, services, rivals: senders };
}

/** Publishes the services of a workload, each at its own times, as three separate sensors would. */
function publishFeeds(
  { cell, services, rivals: senders }: Aimed,
  logs: readonly { hashes: number[]; at: number[] }[],
): (() => void)[] {
  const feeds = createFeeds(cell.workload);
  return feeds.map((feed, index) => {
    let dueAt = steadyMs() + (FIRST_MS * (index + 1)) / feeds.length;
    let timer: NodeJS.Timeout | undefined;
    const wait = (): void => {
      timer = setTimeout(speak, Math.max(0, dueAt - steadyMs()));
    };
    const speak = (): void => {
      const { value } = feed.values.next();
      const json = JSON.stringify(value);
      logs[index]?.hashes.push(hashJson(json));
      logs[index]?.at.push(steadyMs());
      services[index]?.publish(value);
      for (const sender of senders) sender.send({ feed: index, json, value });
      dueAt += feed.nextMs();
      wait();
    };
    wait();
    return () => clearTimeout(timer);
  });
}

/** Waits for demand: a subscription is granted shortly before its publisher hears of it. */
async function untilDemanded(): Promise<void> {
  for (const deadline = steadyMs() + DEMAND_MS; ;) {
    const late = aimed.find(({ cell, services }) =>
      services.some(({ demand }) => demand.windowMs !== cell.windowMs),
    );
    if (late === undefined) return;
    if (steadyMs() > deadline)
      throw new DemoError(
        "timeout",
        `no demand for ${late.cell.workload} with a window of ${late.cell.windowMs} ms`,
      );
    await delay(20);
  }
}

answerCalls(methods, async () => {
  for (const { rivals: senders } of aimed) for (const sender of senders) sender.stop();
  await Promise.allSettled([client?.close(), rivals?.connection.stop()]);
});
