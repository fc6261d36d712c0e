import { fileURLToPath } from "node:url";
import type { Account } from "../demo/publishers.js";
import { startSandboxProcess, type SandboxProcess } from "../demo/sandbox-process.js";
import { startWorker, type Worker } from "../measure/worker.js";
import type { WireServer } from "./axes.js";
import { openBoshProxies } from "./bosh-proxies.js";
import { openEntrance, type Entrance } from "./entrance.js";
import { CLIENT_INTERFACE, openNamespaces } from "./namespaces.js";
import type { PublisherMethods } from "./publisher-methods.js";
import type { SubscriberMethods } from "./subscriber-methods.js";

const PUBLISHER = fileURLToPath(new URL("./publisher-process.js", import.meta.url));
const SUBSCRIBER = fileURLToPath(new URL("./subscriber-process.js", import.meta.url));

export interface StageOptions {
  readonly server: WireServer;
  /** Most connections that are measured at once. */
  readonly connections: number;
  /** Whether the server offers stream compression. */
  readonly compress: boolean;
  /** Whether BOSH is measured. Then the server has proxies in front of it. */
  readonly bosh: boolean;
  /** Whether each connection has its own network namespace. */
  readonly namespaces: boolean;
  readonly signal: AbortSignal;
}

export interface Seat {
  readonly worker: Worker<SubscriberMethods>;
  /** The interface that only this seat's process uses. Null without a namespace. */
  readonly interface: string | null;
  readonly account: Account;
  readonly entrance: Entrance;
}

/** One server with everything that its batches need, started and connected. */
export interface ServerStage {
  readonly sandbox: SandboxProcess;
  readonly publisher: Worker<PublisherMethods>;
  /** Places from which connections are made, one each. */
  readonly seats: readonly Seat[];
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * From the eleventh account to the hundredth, all names are equally long. A longer name would cost its form a byte in
 * each stanza.
 */
const FIRST_SUBSCRIBER = 10;

/** Rejects with the failure; then nothing is left. */
export async function openServerStage(options: StageOptions): Promise<ServerStage> {
  const { server, connections, compress, signal } = options;
  const takeDowns: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    let failure: { readonly error: unknown } | undefined;
    // If stopping one part fails, the others must be stopped all the same.
    for (const takeDown of takeDowns.splice(0).reverse())
      await takeDown().catch((error: unknown) => (failure ??= { error }));
    if (failure !== undefined) throw failure.error;
  };
  try {
    const sandbox = await startSandboxProcess(server, FIRST_SUBSCRIBER + connections, signal, { compress });
    takeDowns.push(() => sandbox.stop());
    const namespaces = options.namespaces ? await openNamespaces(connections) : undefined;
    if (namespaces !== undefined) takeDowns.push(() => namespaces.close());
    const proxies = options.bosh ? await openBoshProxies(sandbox.httpPort, signal) : undefined;
    if (proxies !== undefined) takeDowns.push(() => proxies.close());
    const entrances: Entrance[] = [];
    for (const hostAddress of namespaces?.all.map((namespace) => namespace.hostAddress) ?? [undefined]) {
      const entrance = await openEntrance(sandbox, proxies, hostAddress);
      takeDowns.push(() => entrance.close());
      entrances.push(entrance);
    }
    const publisher = startWorker<PublisherMethods>(PUBLISHER, "the publisher's process");
    takeDowns.push(() => publisher.stop());
    const seats: Seat[] = [];
    takeDowns.push(async () => void (await Promise.all(seats.map(({ worker }) => worker.stop()))));
    for (let index = 0; index < connections; index++) {
      const account = accountOf(sandbox, FIRST_SUBSCRIBER + index);
      // Without namespaces all seats share one entrance.
      const entrance = (entrances[index] ?? entrances[0]) as Entrance;
      const namespace = namespaces?.all[index]?.name;
      const worker = startWorker<SubscriberMethods>(SUBSCRIBER, "a subscriber's process", { namespace });
      const own = namespace === undefined ? null : CLIENT_INTERFACE;
      seats.push({ worker, interface: own, account, entrance });
    }
    const { road, host, streams: component, rival, componentPort: port } = sandbox;
    const account = accountOf(sandbox, 0);
    const to = { account, component, url: road.url, ca: road.ca };
    await publisher.call("start", { ...to, rival: { ...rival, host, port } }, signal);
    return { sandbox, publisher, seats, close };
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
