import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@stanzapack/client";
import { startSandbox } from "@stanzapack/sandbox";
import { until } from "@stanzapack/testkit";
import { expect, it, onTestFinished } from "vitest";
import { COMMAND, startProgram } from "./support/program.js";
import { startSpanCollector, type ReceivedSpan } from "./support/span-collector.js";
import { behind } from "./support/whole.js";

/** Series of a page in Prometheus's text format, and their values. */
function parse(page: string): Map<string, number> {
  const lines = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** Checks that the node has ways from the arrival to the write, and that no stage is outside of its way. */
function expectWays(spans: readonly ReceivedSpan[], nodes: readonly string[]): void {
  const whole = new Set<unknown>();
  for (const root of spans.filter(({ name }) => name === "update")) {
    const stages = spans.filter(({ traceId, spanId }) => traceId === root.traceId && spanId !== root.spanId);
    const at = (span: ReceivedSpan | undefined, end: "start" | "end"): bigint =>
      BigInt(span?.[`${end}TimeUnixNano`] ?? 0);
    stages.sort((a, b) => Number(at(a, "end") - at(b, "end")) || Number(at(a, "start") - at(b, "start")));
    for (const stage of stages) {
      expect(stage.parentSpanId).toBe(root.spanId);
      expect(at(stage, "start")).toBeGreaterThanOrEqual(at(root, "start"));
      expect(at(stage, "end")).toBeLessThanOrEqual(at(root, "end"));
    }
    if (stages.map(({ name }) => name).join() !== "read,store,wait,encode,write") continue;
    whole.add(root.attributes.find(({ key }) => key === "stanzapack.node")?.value["stringValue"]);
  }
  expect([...whole]).toEqual(expect.arrayContaining([...nodes]));
}

it.each(behind("prosody"))(
  "metrics, health, readiness and spans of `stanzapack serve`, behind %s",
  async (server) => {
    const sandbox = await startSandbox({ server, users: ["alice", "bob"] });
    onTestFinished(() => sandbox.stop());
    const folder = await mkdtemp(join(tmpdir(), "stanzapack-metrics-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const { endpoint, spans } = await startSpanCollector();
    const file = join(folder, "c.yml");
    const { domain, secret } = sandbox.components[0] as { domain: string; secret: string };
    await writeFile(
      file,
      `component: {domain: ${domain}, secret: ${secret}, host: ${sandbox.host}, port: ${sandbox.ports.component}}
metrics: {port: 0}
tracing: {endpoint: "${endpoint}", samplePercent: 100}
limits: {maxServicesPerOwner: 2}
`,
    );
    const { process: child, output, ended } = startProgram(COMMAND, "serve", "--config", file);
    await until(() => output.stderr.includes('"online"'), 20_000, "the component");
    const url = /"metrics":"(http:[^"]*)\/metrics"/.exec(output.stderr)?.[1] ?? "";
    const page = async (path: string): Promise<[number, string]> => {
      const response = await fetch(`${url}/${path}`);
      return [response.status, await response.text()];
    };
    const scrape = async (): Promise<(series: string) => number> => {
      const series = parse((await page("metrics"))[1]);
      return (name) => series.get(`stanzapack_${name}`) ?? 0;
    };
    expect(await page("health")).toEqual([200, "alive\n"]);
    expect(await page("ready")).toEqual([200, "ready\n"]);
    const idle = await scrape();
    expect([
      idle("server_connected"),
      idle('links{envelope="lean"}'),
      idle("updates_received_total"),
    ]).toEqual([...[1, 0, 0]]);

    const login = (user: number): Parameters<typeof connect>[0] => {
      const account = sandbox.accounts[user] as { jid: string; password: string };
      return { ...account, component: domain, url: sandbox.url, ca: sandbox.ca };
    };
    const alice = await connect(login(0));
    onTestFinished(() => alice.close());
    const bob = await connect(login(1));
    onTestFinished(() => bob.close());
    const fast = await alice.offer<number>("fast");
    const log = await alice.offer<number>("log", { kind: "log", durability: "sync" });
    await expect(alice.offer("third")).rejects.toMatchObject({ code: "limit-exceeded" });
    const seen: number[] = [];
    const values = await bob.subscribe<number>(fast.node, { windowMs: 0 });
    values.on("update", ({ value }) => void seen.push(value));
    const kept = await bob.subscribe<number>(log.node);
    kept.on("update", ({ value }) => void seen.push(value));
    for (let i = 1; i <= 30; i++) {
      fast.publish(i);
      log.publish(i);
      await until(() => seen.filter((value) => value === i).length === 2, 2_000, `value ${i} twice`);
    }
    const busy = await scrape();
    expect({
      links: busy('links{envelope="lean"}') + busy('links{envelope="ibb"}'),
      values: busy('services{kind="value",online="true"}'),
      logs: busy('services{kind="log",online="true"}'),
      subscriptions: busy('subscriptions{delivery="link"}'),
      updates: busy("updates_received_total"),
      lost: busy("positions_lost_total"),
      refused: busy('refusals_total{reason="limit-exceeded"}'),
      failing: busy("store_failing"),
    }).toEqual({
      links: 2,
      values: 1,
      logs: 1,
      subscriptions: 2,
      updates: 60,
      lost: 0,
      refused: 1,
      failing: 0,
    });
    // Every update of the log was on the disk before its subscriber saw it.
    expect(busy("store_commit_seconds_count")).toBeGreaterThanOrEqual(30);
    for (const series of [
      ...[
        "data_stanzas_sent_total",
        'sent_bytes_total{envelope="lean"}',
        "flush_seconds_total",
        "writes_total",
      ],
      ...[
        'frames_received_total{type="hello"}',
        'encodings_total{for="lane"}',
        'encoded_bytes_total{form="chained"}',
      ],
      ...["journal_bytes", "store_file_bytes", "lane_memory_bytes", "lanes"],
    ])
      expect(busy(series), series).toBeGreaterThan(0);

    // The process lives, but serves nobody without its server.
    await sandbox.stop();
    await until(() => output.stderr.includes("stream to the server lost"), 10_000, "the end of the stream");
    expect(await page("ready")).toEqual([503, "the stream to the XMPP server is down\n"]);
    expect((await page("health"))[0]).toBe(200);
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expectWays(spans, [fast.node, log.node]);
  },
);
