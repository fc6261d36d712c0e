import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ServerKind } from "@stanzapack/sandbox";
import { startTcpProxy, type TcpProxy } from "@stanzapack/testkit";
import { percentile } from "../measure/percentile.js";
import type { CrowdMethods, Returned } from "./methods.js";
import { startRefusalsTap, type RefusalsTap } from "./refusals-tap.js";
import { startStage } from "./stage.js";
import { startWorker } from "../measure/worker.js";

export interface ReturnOptions {
  readonly server: ServerKind;
  /** Number of subscribers. Default 1,000. */
  readonly subscribers?: number;
  /** Limits of the component. Default: the component's own. */
  readonly opensPerSecond?: number;
  readonly opensBurst?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
}

/** One row of `stanzapack bench return`. Times are in ms since the stream was cut. Null: not measured. */
export interface ReturnRow {
  readonly server: ServerKind;
  readonly subscribers: number;
  /** Number of subscribers whose links ended because of the cut. */
  readonly interrupted: number;
  /** Number of subscribers that received values of both services again, published after the cut. */
  readonly back: number;
  readonly backP50Ms: number | null;
  readonly backMaxMs: number | null;
  /**
   * Over all subscribers: positions that do not add up; updates of the log that were lost; updates of the value that
   * were reported as lost.
   */
  readonly faults: number;
  readonly logLost: number;
  readonly valueLost: number;
  readonly opensPerSecond: number;
  readonly opensBurst: number;
  /**
   * Opens admitted since the cut; in the second with the most; and the most beyond the bucket's rate in any stretch of
   * time.
   */
  readonly opens: number;
  readonly opensMaxPerSecond: number;
  readonly opensBeyondRate: number;
  readonly refused: number;
  readonly refusedMaxPerClient: number;
  /** Refusals that named no time for a retry. */
  readonly refusedUntold: number;
}

const WINDOW_MS = 1_000;
const UPDATES_PER_SECOND = 1;
const WARM_UP_MS = 5_000;
/**
 * Time before the cut, in ms, in which everything that the component writes is lost. So every subscriber loses
 * something.
 */
const STALL_MS = 2_500;
/** Longest wait for the subscribers, in ms. */
const BACK_MS = 90_000;
const SETTLE_MS = 20_000;

const CROWD = fileURLToPath(new URL("./crowd-process.js", import.meta.url));

/** Ends all subscribers' links at once while the component keeps running, and measures how they return. */
export async function runReturn(options: ReturnOptions): Promise<ReturnRow> {
  const { server, subscribers = 1_000, opensPerSecond, opensBurst, onProgress } = options;
  const signal = options.signal ?? new AbortController().signal;
  onProgress?.(`starting ${server} and the component …`);
  let network: { readonly proxy: TcpProxy; readonly tap: RefusalsTap } | undefined;
  const stage = await startStage({
    ...{ server, signal, clients: subscribers + 1 },
    limits: { ...(opensPerSecond && { opensPerSecond }), ...(opensBurst && { opensBurst }) },
    async between(at) {
      const proxy = await startTcpProxy(at);
      const tap = await startRefusalsTap({ host: "127.0.0.1", port: proxy.port });
      network = { proxy, tap };
      return tap.port;
    },
  });
  const crowd = startWorker<CrowdMethods>(CROWD, "the subscribers' process");
  try {
    const { road, limits } = stage;
    const { proxy, tap } = network as NonNullable<typeof network>;
    await crowd.call("offer", { account: stage.account(0), road }, signal);
    onProgress?.(`${subscribers} subscribers log in …`);
    const accounts = Array.from({ length: subscribers }, (_, i) => stage.account(i + 1));
    await crowd.call("gather", { accounts, road, windowMs: WINDOW_MS }, signal);
    await crowd.call("publish", { perSecond: UPDATES_PER_SECOND }, signal);
    await delay(WARM_UP_MS, undefined, { signal });

    onProgress?.("the component loses its stream …");
    proxy.toServer.drop = true;
    await delay(STALL_MS, undefined, { signal });
    const before = await stage.component.call("openedAt", null, signal);
    const refusedBefore = tap.refused.length;
    await crowd.call("mark", null, signal);
    proxy.cut();
    proxy.heal();
    const returned = await untilBack(
      () => crowd.call("returned", null, signal),
      ({ back, interrupted }) =>
        onProgress?.(`${back} of ${subscribers} are back, ${interrupted} lost their link`),
      signal,
    );
    await crowd.call("settle", { timeoutMs: SETTLE_MS }, signal);
    const faults = await crowd.call("faults", null, signal);
    const openedAt = await stage.component.call("openedAt", null, signal);
    const refused = tap.refused.slice(refusedBefore);
    const perClient = new Map<string, number>();
    for (const { jid } of refused) perClient.set(jid, (perClient.get(jid) ?? 0) + 1);
    return {
      ...{ server, subscribers, interrupted: returned.interrupted, back: returned.back },
      backP50Ms: percentile([...returned.backMs], 0.5),
      backMaxMs: percentile([...returned.backMs], 1),
      ...{ faults: faults.positions, logLost: faults.logLost, valueLost: faults.valueLost },
      ...{ opensPerSecond: limits.opensPerSecond, opensBurst: limits.opensBurst },
      ...ratesOf(openedAt.slice(before.length), limits.opensPerSecond),
      refused: refused.length,
      refusedMaxPerClient: Math.max(0, ...perClient.values()),
      refusedUntold: refused.filter(({ retryAfterMs }) => retryAfterMs === null).length,
    };
  } finally {
    onProgress?.("stopping …");
    await crowd.stop();
    await stage.stop();
    await network?.tap.close();
    await network?.proxy.close();
  }
}

async function untilBack(
  look: () => Promise<Returned>,
  tell: (returned: Returned) => void,
  signal: AbortSignal,
): Promise<Returned> {
  for (const deadline = performance.now() + BACK_MS; ;) {
    await delay(1_000, undefined, { signal });
    const returned = await look();
    tell(returned);
    if (returned.back === returned.subscribers || performance.now() > deadline) return returned;
  }
}

/** Rates from the times at which links were admitted, in ms. */
export function ratesOf(
  at: readonly number[],
  perSecond: number,
): Pick<ReturnRow, "opens" | "opensMaxPerSecond" | "opensBeyondRate"> {
  let [most, beyond] = [0, 0];
  for (const [i, from] of at.entries())
    for (let j = i; j < at.length; j++) {
      const seconds = ((at[j] as number) - from) / 1_000;
      if (seconds < 1) most = Math.max(most, j - i + 1);
      beyond = Math.max(beyond, j - i + 1 - perSecond * seconds);
    }
  return { opens: at.length, opensMaxPerSecond: most, opensBeyondRate: Math.ceil(beyond) };
}
