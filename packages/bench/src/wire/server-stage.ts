import type { Account } from "../demo/publishers.js";
import { startSandboxProcess, type SandboxProcess } from "../demo/sandbox-process.js";
import type { WireServer } from "./axes.js";
import { openForwarder } from "./forwarder.js";
import { openNamespaces } from "./namespaces.js";
import { startPublisherWorker, type PublisherWorker } from "./publisher-worker.js";
import { startSubscriberWorker, type SubscriberWorker } from "./subscriber-worker.js";
import type { WorkloadId } from "./workloads.js";

export interface StageOptions {
  readonly server: WireServer;
  readonly workloads: readonly WorkloadId[];
  /** Most connections that are measured at once. */
  readonly connections: number;
  /** Whether each connection gets a network namespace. */
  readonly namespaces: boolean;
  readonly signal: AbortSignal;
}

export interface Seat {
  readonly worker: SubscriberWorker;
  readonly account: Account;
}

/** One server with everything that its batches need, up and connected. */
export interface ServerStage {
  readonly sandbox: SandboxProcess;
  readonly publisher: PublisherWorker;
  /** The nodes of each workload, in the order of its feeds. */
  readonly nodes: Partial<Record<WorkloadId, readonly string[]>>;
  /** Where connections are made from, one each. */
  readonly seats: readonly Seat[];
  /** Idempotent. */
  close(): Promise<void>;
}

/** From the eleventh account on all names are as long, up to the hundredth: a longer one would cost its form a byte a stanza. */
const FIRST_SUBSCRIBER = 10;

/** Rejects with what failed; nothing is left then. */
export async function openServerStage(options: StageOptions): Promise<ServerStage> {
  const { server, workloads, connections, signal } = options;
  const takeDowns: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    let failure: { readonly error: unknown } | undefined;
    // A part that falls while it is taken down must not keep the others up.
    for (const takeDown of takeDowns.splice(0).reverse())
      await takeDown().catch((error: unknown) => (failure ??= { error }));
    if (failure !== undefined) throw failure.error;
  };
  try {
    const sandbox = await startSandboxProcess(server, FIRST_SUBSCRIBER + connections, signal);
    takeDowns.push(() => sandbox.stop());
    const namespaces = options.namespaces ? await openNamespaces(connections) : undefined;
    if (namespaces !== undefined) takeDowns.push(() => namespaces.close());
    for (const { hostAddress } of namespaces?.all ?? []) {
      const forwarder = await openForwarder(hostAddress, portsOf(sandbox));
      takeDowns.push(() => forwarder.close());
    }
    const publisher = startPublisherWorker();
    takeDowns.push(() => publisher.stop());
    const seats: Seat[] = [];
    takeDowns.push(async () => void (await Promise.all(seats.map(({ worker }) => worker.stop()))));
    for (let index = 0; index < connections; index++) {
      const account = accountOf(sandbox, FIRST_SUBSCRIBER + index);
      seats.push({ worker: startSubscriberWorker(namespaces?.all[index]), account });
    }
    const { url, ca, host, streams: component, rival, componentPort: port } = sandbox;
    const nodes = await publisher.call(
      "start",
      { account: accountOf(sandbox, 0), component, url, ca, rival: { ...rival, host, port }, workloads },
      signal,
    );
    return { sandbox, publisher, nodes, seats, close };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

function accountOf({ accounts }: SandboxProcess, index: number): Account {
  const account = accounts[index];
  if (account === undefined) throw new Error(`the sandbox has no account ${index}`);
  return account;
}

/** What subscribers connect to. */
function portsOf({ url }: SandboxProcess): number[] {
  return [url].map((each) => Number(new URL(each).port));
}
