import { setTimeout as delay } from "node:timers/promises";
import type { ComponentStats } from "@stanzapack/component";
import { startSandbox, type ServerKind } from "@stanzapack/sandbox";
import { Attacker, type Tally } from "./component-fuzz-attacker.js";
import { Bystanders, type BystanderReport } from "./component-fuzz-bystanders.js";
import { FuzzedComponent, type Measure } from "./component-fuzz-process.js";

export interface ComponentFuzzReport {
  readonly server: ServerKind;
  readonly seed: number;
  /** Number of fuzzed frames and requests sent. */
  readonly stanzas: number;
  readonly opened: number;
  readonly answers: Readonly<Record<string, number>>;
  /** Number of attackers' streams that ended by themselves, by reason. The server ended them. */
  readonly streamsLost: Readonly<Record<string, number>>;
  readonly bystander: BystanderReport;
  /** The component's own counters at the end. */
  readonly stats: ComponentStats;
  /**
   * The component's heap after a garbage collection, when the attackers have left: after a tenth of the run, and its
   * growth to the end.
   */
  readonly heapBytes: number;
  readonly heapGrowthBytes: number;
  readonly rssBytes: number;
  readonly findings: readonly string[];
}

const ACCOUNTS = 4;
const SESSIONS_EACH = 2;
/** Small limits. The default limits would only take longer to reach. */
const LIMITS = {
  maxServicesPerOwner: 40,
  serviceGraceSeconds: 3,
  resumeSeconds: 3,
  silentSeconds: 15,
  maxLogBytes: 33_554_432,
  logMaxBytes: 1_048_576,
};
/**
 * Longest wait until nothing of the attackers is left, in ms. It covers their services' grace, the life of their
 * tokens, and the question whether their links live.
 */
const SETTLE_MS = 60_000;
/**
 * Growth of the heap that is not a finding, in bytes: `MAX_HEAP_GROWTH_BYTES`, and `SID_BYTES` for each link. The
 * component remembers a link's sid for an hour, with the JID that used it.
 */
const MAX_HEAP_GROWTH_BYTES = 4_000_000;
const SID_BYTES = 300;
const MAX_FINDINGS = 20;

/**
 * Several sessions send mutated frames and requests to a live component behind a real server, link after link.
 * Meanwhile a publisher and a subscriber exchange values.
 */
export async function fuzzComponent(options: {
  readonly server: ServerKind;
  readonly count: number;
  readonly seed: number;
  readonly onProgress?: (done: number) => void;
}): Promise<ComponentFuzzReport> {
  const { server, count, seed, onProgress } = options;
  const attackers = Array.from({ length: ACCOUNTS }, (_, i) => `m${i}`);
  const sandbox = await startSandbox({ server, users: ["pub", "sub", ...attackers] });
  const road = { url: sandbox.url, ca: sandbox.ca };
  const loginOf = (user: string): { jid: string; password: string; url: string; ca: string } => ({
    ...(sandbox.accounts.find(({ jid }) => jid.startsWith(`${user}@`)) as { jid: string; password: string }),
    ...road,
  });
  const { domain, secret } = sandbox.components[0] as { domain: string; secret: string };
  let component: FuzzedComponent | undefined;
  try {
    const { host, ports } = sandbox;
    component = await FuzzedComponent.start({ domain, secret, host, port: ports.component, limits: LIMITS });
    const fuzzed = component;
    const findings: string[] = [];
    const tally: Tally = { stanzas: 0, opened: 0, answers: {}, streamsLost: {}, findings };
    const bystanders = await Bystanders.start(
      { ...loginOf("pub"), component: domain },
      { ...loginOf("sub"), component: domain },
    );
    const crowd = attackers.flatMap((user, i) =>
      Array.from(
        { length: SESSIONS_EACH },
        (_, session) =>
          new Attacker({
            login: { ...loginOf(user), resource: `r${session}`, retryStart: true },
            ...{ component: domain, bystander: bystanders.node, tally },
            seed: seed * 1_000 + i * SESSIONS_EACH + session,
          }),
      ),
    );

    const attack = async (share: number): Promise<Measure> => {
      const stop = new AbortController();
      const watch = setInterval(() => {
        onProgress?.(tally.stanzas);
        if (findings.length >= MAX_FINDINGS || fuzzed.ended !== undefined) stop.abort();
      }, 500);
      await Promise.all(
        crowd.map((attacker, i) => attacker.run(shareOf(share, crowd.length, i), stop.signal)),
      );
      clearInterval(watch);
      return await settled(fuzzed, findings);
    };
    // The first tenth lets the engine compile the code, and fills everything that is bounded.
    const first = Math.ceil(count / 10);
    const warm = await attack(first);
    const openedWarm = tally.opened;
    const end = count > first && findings.length < MAX_FINDINGS ? await attack(count - first) : warm;

    const heapGrowthBytes = end.heapBytes - warm.heapBytes;
    const mayGrowBytes = MAX_HEAP_GROWTH_BYTES + SID_BYTES * (tally.opened - openedWarm);
    if (heapGrowthBytes > mayGrowBytes)
      findings.push(`the heap grew by ${heapGrowthBytes} bytes, more than the ${mayGrowBytes} allowed`);
    const { report: bystander, findings: missed } = await bystanders.stop();
    findings.push(...missed, ...fuzzed.faults.map((line) => `log: ${line}`));
    return {
      ...{ server, seed, stanzas: tally.stanzas, opened: tally.opened, answers: sorted(tally.answers) },
      ...{ streamsLost: tally.streamsLost, bystander, stats: end.stats },
      ...{ heapBytes: warm.heapBytes, heapGrowthBytes, rssBytes: end.rssBytes, findings },
    };
  } finally {
    await component?.stop();
    await sandbox.stop();
  }
}

/** Measures the component once nothing of the attackers is left. */
async function settled(component: FuzzedComponent, findings: string[]): Promise<Measure> {
  const end = performance.now() + SETTLE_MS;
  for (;;) {
    const measure = await component.measure().catch((error: unknown) => {
      findings.push(error instanceof Error ? error.message : String(error));
      return undefined;
    });
    if (measure === undefined) return component.last as Measure;
    const { links, services, subscriptions, lanes } = measure.stats;
    if (links === 2 && services === 1 && subscriptions === 1 && lanes === 1) return measure;
    if (performance.now() > end) {
      findings.push(
        `the attackers left ${links - 2} links, ${services - 1} services, ${subscriptions - 1} subscriptions and ${lanes - 1} lanes behind`,
      );
      return measure;
    }
    await delay(500);
  }
}

function shareOf(total: number, parts: number, index: number): number {
  return Math.floor(total / parts) + (index < total % parts ? 1 : 0);
}

function sorted(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).sort(([, a], [, b]) => b - a));
}
