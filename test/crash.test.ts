import {
  FAULT_KINDS,
  Residents,
  runRound,
  startStage,
  TRANSPORTS,
  type CrashRow,
  type FaultKind,
  type LogDurability,
  type ResidentFault,
} from "@stanzapack/testkit/crash";
import { describe, expect, it } from "vitest";
import { SERVERS } from "./support/stack.js";

/** For each round, the faults of TCP, WebSocket and BOSH, or the fault of all three. */
const ROUNDS = {
  prosody: [
    ["kill-clients", "half-clients", "delay"],
    "cut-component-stream",
    "crash-component",
    "restart-server",
    "storm",
  ],
  ejabberd: [
    ["throttle", "cut-clients", "half-clients"],
    "kill-component-stream",
    "half-component-stream",
    "restart-component",
    "crash-server",
  ],
} as const satisfies Record<string, readonly (FaultKind | readonly FaultKind[])[]>;

/** Behind Prosody the component has a store. */
const DURABILITIES = { prosody: ["sync", "interval"], ejabberd: ["none"] } as const satisfies Record<
  string,
  readonly LogDurability[]
>;

/** What is done to the programs with a process of their own, by round behind Prosody. Other rounds leave them alone. */
const RESIDENT_FAULTS: Readonly<Record<number, ResidentFault>> = { 3: "publisher", 5: "subscriber" };

/** Faults that end a component's process. A `storm` ends it with some seeds; with this seed it does not. */
const FORGETS: readonly FaultKind[] = ["crash-component", "restart-component"];

// The short form of `npm run test:crash`. Both servers run at once, since most of the time is waiting.
describe("a log under load", () => {
  it.concurrent.each(SERVERS)(
    "comes once and in order, or its loss is told, whatever goes wrong behind %s",
    async (server) => {
      const { signal } = new AbortController();
      const hasStore = server === "prosody";
      const stage = await startStage(server, signal, hasStore ? "lmdb" : "memory");
      const rows: CrashRow[] = [];
      let residents: Residents | undefined;
      try {
        for (const [i, kinds] of ROUNDS[server].entries()) {
          const faults = new Map(
            TRANSPORTS.map((transport, t) => [transport, typeof kinds === "string" ? kinds : kinds[t]]),
          ) as ReadonlyMap<(typeof TRANSPORTS)[number], FaultKind>;
          const residentFault = hasStore ? RESIDENT_FAULTS[i + 1] : undefined;
          if (residentFault !== undefined) residents ??= await Residents.start(stage, TRANSPORTS, signal);
          const told = { round: i + 1, seed: 104 + i, swift: true, tell: () => undefined };
          const taking = residentFault === undefined ? undefined : residents;
          const own = { residents: taking, residentFault, durabilities: DURABILITIES[server] };
          rows.push(...(await runRound(stage, { ...told, ...own, faults, signal })));
        }
      } finally {
        await residents?.close();
        await stage.stop();
      }
      expect(rows.filter(({ findings }) => findings.length > 0)).toEqual([]);
      for (const { fault, durability, process, killed, ...counts } of rows) {
        const { published, delivered, lost, repeated, duplicated, reordered } = counts;
        expect(published).toBeGreaterThan(process === "test" ? 300 : 0);
        expect(delivered + lost).toBe(published);
        expect([duplicated, reordered]).toEqual([0, 0]);
        if (durability === "sync" || !FORGETS.includes(fault)) expect(lost).toBe(0);
        // A process that was killed had not told yet what it has.
        if (durability === "sync" ? killed === "none" : !FORGETS.includes(fault)) expect(repeated).toBe(0);
      }
    },
    600_000,
  );

  it("has every fault in its short form too", () => {
    expect(new Set(Object.values(ROUNDS).flat(2))).toEqual(new Set(FAULT_KINDS));
  });
});
