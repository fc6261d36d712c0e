import { setTimeout as delay } from "node:timers/promises";
import { DemoError } from "../demo/failure.js";
import { formatHop, type Batch, type Hop, type WireForm } from "./axes.js";
import type { PublisherCell } from "./publisher-methods.js";
import { createRow, type WireRow } from "./rows.js";
import type { Seat, ServerStage } from "./server-stage.js";
import type { WorkloadId } from "./workloads.js";

/** After the last value was sent: it has come then, and been acknowledged; in ms. */
const SETTLE_MS = 500;

interface Connection {
  readonly seat: Seat;
  readonly workload: WorkloadId;
  readonly form: WireForm;
  readonly nodes: readonly string[];
}

/** Opens a connection for every form of every workload, publishes for so long, hangs up; gives a row for each. */
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
      const nodes = stage.nodes[workload];
      if (seat === undefined || nodes === undefined) throw new Error(`no seat for ${workload}`);
      return { seat, workload, form, nodes };
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
    await publisher.call("aim", cells, signal);
    await each(({ seat, nodes, form }) =>
      seat.worker.call("begin", { nodes: form === "stanzapack" ? nodes : [], windowMs }, signal),
    );
    const published = await publisher.call("publish", { forMs }, signal);
    await delay(SETTLE_MS, undefined, { signal });
    return await each(async ({ seat, workload, form }) => {
      const result = await seat.worker.call("end", null, signal);
      const row = createRow({ hop, workload, windowMs, form, published: published[workload] ?? [], result });
      if (row.updates === 0) throw new DemoError("internal", `${formatHop(hop)}: ${form} got no ${workload}`);
      return row;
    });
  } finally {
    // What is gone already has nothing to hang up.
    await publisher.call("release", null, AbortSignal.timeout(10_000)).catch(() => undefined);
    await Promise.allSettled(
      connections.map(({ seat }) => seat.worker.call("close", null, AbortSignal.timeout(15_000))),
    );
  }
}

function open(
  { sandbox }: ServerStage,
  hop: Hop,
  { seat, form, nodes }: Connection,
  signal: AbortSignal,
): Promise<string> {
  const { worker, account } = seat;
  return worker.call(
    "open",
    {
      ...{ form, account, ca: sandbox.ca },
      url: urlOf(sandbox, hop, worker.host),
      compress: hop.compression === "zlib",
      sender: form === "stanzapack" ? sandbox.streams : sandbox.rival.domain,
      feeds: nodes.length,
      interface: worker.interface,
    },
    signal,
  );
}

function urlOf(sandbox: ServerStage["sandbox"], _hop: Hop, host: string): string {
  return sandbox.url.replace("127.0.0.1", host);
}

/** As `Promise.all`, but nothing is under way any more when it rejects. */
async function allOf<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
