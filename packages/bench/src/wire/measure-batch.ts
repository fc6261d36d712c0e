import { setTimeout as delay } from "node:timers/promises";
import { DemoError } from "../demo/failure.js";
import { formatHop, type Batch, type Hop, type WireForm } from "./axes.js";
import type { PublisherCell } from "./publisher-methods.js";
import { createRow, type WireRow } from "./rows.js";
import type { Seat, ServerStage } from "./server-stage.js";
import { createFeeds, type WorkloadId } from "./workloads.js";

/** Time until the last value has arrived, and again until its acknowledgements have arrived, in ms. */
const SETTLE_MS = 500;

/** Longest time to close the connections, in ms. */
const CLOSE_MS = 15_000;

interface Connection {
  readonly seat: Seat;
  readonly workload: WorkloadId;
  readonly form: WireForm;
}

/**
 * Opens a connection for every form of every workload, publishes for `forMs`, and closes them. Returns a row for each
 * connection.
 */
export async function measureBatch(
  stage: ServerStage,
  batch: Batch,
  forMs: number,
  signal: AbortSignal,
): Promise<WireRow[]> {
  const { hop, windowMs, workloads, forms } = batch;
  const { publisher } = stage;
  const connections = workloads
    .flatMap((workload) => forms.map((form) => ({ workload, form })))
    .map(({ workload, form }, index): Connection => {
      const seat = stage.seats[index];
      if (seat === undefined) throw new Error(`no seat for ${workload}`);
      return { seat, workload, form };
    });
  const each = <T>(act: (connection: Connection) => Promise<T>): Promise<T[]> => allOf(connections.map(act));
  try {
    const jids = await each((connection) => open(stage, hop, connection, signal));
    const cells = workloads.map((workload): PublisherCell => {
      const own = connections.flatMap(({ form, ...it }, index) =>
        it.workload === workload ? [{ form, to: jids[index] as string }] : [],
      );
      return {
        ...{ workload, windowMs },
        subscribed: own.some(({ form }) => form === "stanzapack"),
        rivals: own.flatMap(({ form, to }) => (form === "stanzapack" ? [] : [{ form, to }])),
      };
    });
    const nodes = await publisher.call("aim", cells, signal);
    await each(({ seat, workload, form }) =>
      seat.worker.call(
        "begin",
        { nodes: form === "stanzapack" ? (nodes[workload] ?? []) : [], windowMs },
        signal,
      ),
    );
    const published = await publisher.call("publish", { forMs }, signal);
    await delay(SETTLE_MS, undefined, { signal });
    await each(({ seat }) => seat.worker.call("settle", null, signal));
    await delay(SETTLE_MS, undefined, { signal });
    return await each(async ({ seat, workload, form }) => {
      const result = await seat.worker.call("end", null, signal);
      const row = createRow({ hop, workload, windowMs, form, published: published[workload] ?? [], result });
      const some = (published[workload] ?? []).some(({ hashes }) => hashes.length > 0);
      if (some && row.updates === 0)
        throw new DemoError("internal", `${formatHop(hop)}: ${form} received no ${workload}`);
      return row;
    });
  } finally {
    // A connection that has ended already needs no close.
    await Promise.allSettled(
      connections.map(({ seat }) => seat.worker.call("close", null, AbortSignal.timeout(CLOSE_MS))),
    );
    await publisher.call("release", null, AbortSignal.timeout(CLOSE_MS)).catch(() => undefined);
  }
}

function open(
  { sandbox }: ServerStage,
  hop: Hop,
  { seat, form, workload }: Connection,
  signal: AbortSignal,
): Promise<string> {
  const { worker, account, entrance } = seat;
  return worker.call(
    "open",
    {
      ...{ form, account, ca: entrance.ca, url: entrance.urlOf(hop) },
      compression: hop.compression,
      sender: form === "stanzapack" ? sandbox.streams : sandbox.rival.domain,
      feeds: createFeeds(workload).length,
      interface: seat.interface,
    },
    signal,
  );
}

/** Like `Promise.all`, but rejects only when all work has ended. */
async function allOf<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
