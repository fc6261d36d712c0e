import {
  FAULT_KINDS,
  runRound,
  startStage,
  TRANSPORTS,
  type CrashRow,
  type FaultKind,
  type LogDurability,
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

/** The logs have `interval` where the component is killed, and are in memory where it ends by SIGTERM. */
const DURABILITIES = { prosody: "interval", ejabberd: "none" } as const satisfies Record<
  string,
  LogDurability
>;

/** Faults that end a component's process. A `storm` ends it with some seeds; with this seed it does not. */
const FORGETS: readonly FaultKind[] = ["crash-component", "restart-component"];

// The short form of `npm run test:crash`. Both servers run at once, since most of the time is waiting.
describe("a log under load", () => {
  it.concurrent.each(SERVERS)(
    "comes once and in order, or its loss is told, whatever goes wrong behind %s",
    async (server) => {
      const { signal } = new AbortController();
      const stage = await startStage(server, signal, DURABILITIES[server]);
      const rows: CrashRow[] = [];
      try {
        for (const [i, kinds] of ROUNDS[server].entries()) {
          const faults = new Map(
            TRANSPORTS.map((transport, t) => [transport, typeof kinds === "string" ? kinds : kinds[t]]),
          ) as ReadonlyMap<(typeof TRANSPORTS)[number], FaultKind>;
          const told = { round: i + 1, seed: 104 + i, swift: true, tell: () => undefined };
          rows.push(...(await runRound(stage, { ...told, faults, signal })));
        }
      } finally {
        await stage.stop();
      }
      expect(rows.filter(({ findings }) => findings.length > 0)).toEqual([]);
      for (const { fault, published, delivered, lost, repeated, duplicated, reordered } of rows) {
        expect(published).toBeGreaterThan(300);
        expect(delivered + lost).toBe(published);
        expect([duplicated, reordered]).toEqual([0, 0]);
        if (!FORGETS.includes(fault)) expect([lost, repeated]).toEqual([0, 0]);
      }
    },
    600_000,
  );

  it("has every fault in its short form too", () => {
    expect(new Set(Object.values(ROUNDS).flat(2))).toEqual(new Set(FAULT_KINDS));
  });
});
