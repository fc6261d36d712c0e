import { spawn } from "node:child_process";
import { once } from "node:events";
import { peers } from "@stanzapack/bench";
import { until } from "@stanzapack/testkit";
import { NS, xml } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import { COMMAND } from "./support/program.js";
import { SERVERS, startStack } from "./support/stack.js";
import { behind, WHOLE } from "./support/whole.js";

// The short forms of `stanzapack bench bystanders` and `bench return`, each behind one server unless everything runs. The
// README of packages/bench has the long forms.

async function bench(...args: string[]): Promise<Record<string, number>> {
  const child = spawn(process.execPath, [COMMAND, "bench", ...args, "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
    // Before the deadline of the test, so that no process outlives the test.
    ...{ timeout: 540_000, killSignal: "SIGKILL" },
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
  const [status] = (await once(child, "close")) as [number | null];
  expect(status, output.stderr).toBe(0);
  const [row] = JSON.parse(output.stdout) as Record<string, number>[];
  return row as Record<string, number>;
}

describe.each(SERVERS)("those who misbehave, behind %s", (server) => {
  it.runIf(WHOLE || server === "prosody")(
    "cost the others no update and no standstill, the component no memory beyond its limits",
    async () => {
      const size = ["--server", server, "--subscribers", "10", "--for", "2s", "--phases", "2"];
      const row = await bench("bystanders", ...size);
      expect(row).toMatchObject({ server, subscribers: 10, missing: 0, conflated: 0, faults: 0 });
      // Ten subscribers, two services at 10 Hz, 4 s. A busy machine publishes a little less.
      expect(row["updates"]).toBeGreaterThan(100);
      for (const what of ["floodPerSecond", "subscriptionsPerSecond", "linksPerSecond"])
        expect(row[what], what).toBeGreaterThan(0);
      expect(row["troubledRssBytes"]).toBeLessThan((row["baseRssBytes"] ?? 0) + (row["boundBytes"] ?? 0));
      // The ages are not checked here: two seconds on a busy machine show no ratio. The benchmark measures them over
      // minutes.
    },
    600_000,
  );

  it("are read in turn, where a few bytes take long to read", async () => {
    const stack = await startStack(server, ["alice", "mallory"]);
    try {
      const alice = await stack.raw("alice");
      const mallory = await stack.raw("mallory");
      const node = "mallory@localhost/costly";
      const costly = await peers.openCostlyPublisher(mallory, stack.domain, node);
      const before = stack.component.stats().updatesIn;
      const sent = costly.send(4) + costly.send(4);
      await until(() => stack.component.stats().updatesIn > before, 10_000, "it is being read");
      // Other clients receive their answers meanwhile, before the component has read everything.
      await alice.request(xml("iq", { type: "get", to: stack.domain }, xml("ping", NS.PING)), {
        timeoutMs: 10_000,
      });
      expect(stack.component.stats().updatesIn - before).toBeLessThan(sent);

      // The publisher leaves, its server reports that, and the component reads to the end what it sent.
      mallory.sendElement(xml("presence", { to: stack.domain }));
      await costly.leave();
      await mallory.stop();
      await until(() => stack.component.stats().updatesIn - before === sent, 90_000, "all of it is read");
      await until(() => stack.component.stats().links === 0, 5_000, "then its link is gone");
    } finally {
      await stack.stop();
    }
  });
});

describe.concurrent.each(behind("ejabberd"))("a component that loses its stream, behind %s", (server) => {
  it("has all back at the right positions, as many at once as it allows", async () => {
    const row = await bench(
      ...["return", "--server", server, "--subscribers", "40", "--opens", "10", "--burst", "10"],
    );
    expect(row).toMatchObject({ server, subscribers: 40, interrupted: 40, back: 40 });
    expect(row).toMatchObject({ faults: 0, logLost: 0, refusedUntold: 0 });
    expect(row["backMaxMs"]).toBeLessThan(60_000);
    expect(row["opens"]).toBeGreaterThanOrEqual(40);
    // Ten at once, and those that a busy machine lets come close together.
    expect(row["opensBeyondRate"]).toBeLessThanOrEqual(20);
    // How often one client is refused depends on how late a busy machine lets it come. `open-admission.test.ts` proves
    // that a client that comes in time is refused once.
    expect(row["refused"]).toBeGreaterThan(0);
  }, 600_000);
});
