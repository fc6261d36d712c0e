import { readFileSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { createStats, type ComponentStats } from "../base/stats.js";
import type { StoreUsage } from "../store/store.js";
import { createMetrics, type Metrics } from "./metrics.js";
import type { MetricSources, Survey } from "./sources.js";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const NOTHING: Survey = {
  ...{ links: { lean: 0, ibb: 0 }, suspendedLinks: 0, oldestUnackedMs: 0 },
  ...{ services: [], subscriptions: new Map(), waiting: { credit: 0, room: 0 } },
  waitingRows: { count: 0, bytes: 0, oldestMs: 0 },
};
const STORE: StoreUsage = {
  journalBytes: 0,
  fileBytes: 0,
  services: 0,
  unwrittenBytes: 0,
  problem: undefined,
};

/** Everything that a test may change, and the metrics that read it. */
interface Bench {
  stats: ComponentStats;
  seen: Writable<Survey>;
  store: Writable<StoreUsage>;
  online: boolean;
  cursors: number;
  memory: { lanes: number; logs: number; maps: number };
  metrics: Metrics;
}

let bench: Bench;
beforeEach(() => {
  const made = { stats: createStats(), seen: { ...NOTHING }, store: { ...STORE } };
  const rest = { ...made, online: false, cursors: 0, memory: { lanes: 0, logs: 0, maps: 0 } };
  const sources: MetricSources = {
    stats: () => bench.stats,
    survey: () => bench.seen,
    online: () => bench.online,
    cursors: () => bench.cursors,
    memory: () => bench.memory,
    store: () => bench.store,
  };
  bench = { ...rest, metrics: createMetrics(sources) };
});

/** Series of ours and their values. */
async function scrape(): Promise<Map<string, number>> {
  const lines = (await bench.metrics.text()).split("\n").filter((line) => line.startsWith("stanzapack_"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** A change, the series that show it, and their values after it. */
const CHANGES: readonly [string, (b: Bench) => void, Readonly<Record<string, number>>][] = [
  ["the stream is up", (b) => (b.online = true), { server_connected: 1 }],
  [
    "a message came back",
    ({ metrics }) => metrics.roundTrip(20),
    {
      server_round_trip_seconds_count: 1,
      server_round_trip_seconds_sum: 0.02,
      'server_round_trip_seconds_bucket{le="0.025"}': 1,
    },
  ],
  [
    "links",
    (b) => (b.seen.links = { lean: 3, ibb: 2 }),
    { 'links{envelope="lean"}': 3, 'links{envelope="ibb"}': 2 },
  ],
  ["a suspended link", (b) => (b.seen.suspendedLinks = 1), { links_suspended: 1 }],
  ["late acknowledgements", (b) => (b.seen.oldestUnackedMs = 1_500), { unacknowledged_age_seconds: 1.5 }],
  ["a link's end", (b) => b.stats.linksEnded++, { links_ended_total: 1 }],
  ["a resumption", (b) => b.stats.resumed++, { subscriptions_resumed_total: 1 }],
  [
    "services",
    (b) => (b.seen.services = [{ kind: "log", online: true, count: 4 }]),
    { 'services{kind="log",online="true"}': 4 },
  ],
  [
    "subscriptions",
    (b) => (b.seen.subscriptions = new Map([["link", 5]])),
    { 'subscriptions{delivery="link"}': 5 },
  ],
  [
    "subscriptions that wait",
    (b) => (b.seen.waiting = { credit: 1, room: 2 }),
    { 'subscriptions_waiting{for="credit"}': 1, 'subscriptions_waiting{for="acknowledgement"}': 2 },
  ],
  ["a detachment", (b) => b.stats.detachments++, { detachments_total: 1 }],
  ["a cursor", (b) => (b.cursors = 1), { cursors: 1 }],
  ["a call", (b) => b.stats.calls++, { calls_waiting: 1 }],
  ["a request for approval", (b) => b.stats.pendingApprovals++, { approvals_waiting: 1 }],
  ["a lane", (b) => b.stats.lanes++, { lanes: 1 }],
  [
    "memory",
    (b) => (b.memory = { lanes: 1, logs: 2, maps: 3 }),
    { lane_memory_bytes: 1, log_memory_bytes: 2, map_memory_bytes: 3 },
  ],
  [
    "rows that wait",
    (b) => (b.seen.waitingRows = { count: 2, bytes: 30, oldestMs: 100 }),
    { lane_rows_waiting: 2, lane_bytes_waiting: 30, lane_age_seconds: 0.1 },
  ],
  ["an update", (b) => b.stats.updatesIn++, { updates_received_total: 1 }],
  ["a loss", (b) => (b.stats.positionsLost = 3), { positions_lost_total: 3 }],
  ["a loss of the store", (b) => (b.stats.storeLost = 2), { store_positions_lost_total: 2 }],
  ["a conflation", (b) => (b.stats.rowsConflated = 3), { updates_conflated_total: 3 }],
  ["a stanza", (b) => b.stats.stanzasSent++, { stanzas_sent_total: 1 }],
  ["a stanza with data", (b) => b.stats.dataStanzasSent++, { data_stanzas_sent_total: 1 }],
  ["a write", (b) => b.stats.writes++, { writes_total: 1 }],
  [
    "bytes sent",
    (b) => (b.stats.sentChars = { lean: 90, ibb: 200 }),
    { 'sent_bytes_total{envelope="lean"}': 90, 'sent_bytes_total{envelope="ibb"}': 200 },
  ],
  ["bytes encoded", (b) => (b.stats.bodyChars = { key: 8 }), { 'encoded_bytes_total{form="key"}': 8 }],
  [
    "encodings",
    (b) => Object.assign(b.stats, { laneEncodes: 2, singleEncodes: 1 }),
    { 'encodings_total{for="lane"}': 2, 'encodings_total{for="single"}': 1 },
  ],
  ["work", (b) => (b.stats.flushMs = 250), { flush_seconds_total: 0.25 }],
  ["a frame", (b) => b.stats.framesReceived.data++, { 'frames_received_total{type="data"}': 1 }],
  ["a repair", (b) => b.stats.rangesRepaired++, { map_ranges_repaired_total: 1 }],
  ["a map sent again", (b) => b.stats.mapsResent++, { maps_resent_total: 1 }],
  ["a refusal", (b) => (b.stats.refusedFor["busy"] = 2), { 'refusals_total{reason="busy"}': 2 }],
  ["a throttled request", (b) => b.stats.throttled++, { throttled_total: 1 }],
  ["a slowdown", (b) => b.stats.slowdowns++, { slowdowns_total: 1 }],
  ["a cut-off", (b) => b.stats.cutOffs++, { cutoffs_total: 1 }],
  ["a full quota", (b) => b.stats.overQuota++, { over_quota_total: 1 }],
  ["a stray", (b) => b.stats.strays++, { strays_total: 1 }],
  [
    "a hold-up",
    (b) => Object.assign(b.stats, { holdUps: 1, heldUpMs: 700 }),
    { hold_ups_total: 1, held_up_seconds_total: 0.7 },
  ],
  [
    "the store",
    (b) => Object.assign(b.store, { journalBytes: 1, fileBytes: 2, unwrittenBytes: 3, problem: "full" }),
    { journal_bytes: 1, store_file_bytes: 2, store_unwritten_bytes: 3, store_failing: 1 },
  ],
  [
    "a commit",
    ({ metrics }) => metrics.committed(4),
    { store_commit_seconds_count: 1, 'store_commit_seconds_bucket{le="0.005"}': 1 },
  ],
];

/** Labels of the metrics that have some, from the series above. */
const LABELS = new Map(
  CHANGES.flatMap(([, , expected]) => Object.keys(expected)).flatMap((series) => {
    const labels = [...series.matchAll(/(\w+)="/g)].map(([, label]) => `\`${label}\``);
    return labels.length === 0 || series.includes("_bucket")
      ? []
      : [[familyOf(series), labels.join(", ")] as const];
  }),
);

describe("metrics", () => {
  it.each(CHANGES)("show %s", async (_, change, expected) => {
    const before = await scrape();
    change(bench);
    const after = await scrape();
    for (const [name, value] of Object.entries(expected)) {
      expect(before.get(`stanzapack_${name}`) ?? 0).toBe(0);
      expect(after.get(`stanzapack_${name}`)).toBe(value);
    }
  });

  it("have a test each", async () => {
    const shown = CHANGES.flatMap(([, , expected]) => Object.keys(expected)).map(familyOf);
    expect([...new Set(shown)].sort()).toEqual([...(await families()).keys()].sort());
  });

  it("name no series that is gone, and count nothing twice", async () => {
    bench.seen.subscriptions = new Map([["link", 5]]);
    bench.stats.strays = 3;
    await scrape();
    bench.seen.subscriptions = new Map();
    const series = await scrape();
    expect(series.has('stanzapack_subscriptions{delivery="link"}')).toBe(false);
    expect(series.get("stanzapack_strays_total")).toBe(3);
  });

  it("have the process's own metrics beside them", async () => {
    const text = await bench.metrics.text();
    for (const name of ["process_cpu_seconds_total", "nodejs_eventloop_lag_p99_seconds"])
      expect(text).toMatch(new RegExp(`^${name} `, "m"));
  });

  it("are all in docs/reference/metrics.md", async () => {
    const page = new URL("../../../../docs/reference/metrics.md", import.meta.url);
    const text = readFileSync(page, "utf8");
    const rows = [...(await families())].map(([name, { type, help }]) => {
      const labels = LABELS.get(name);
      const shown = labels === undefined ? "" : `, by ${labels}`;
      return `| \`stanzapack_${name}\` | ${type}${shown} | ${help.replace(/\.?$/, ".")} |`;
    });
    const table = ["| metric | type | what it shows |", "| --- | --- | --- |", ...rows];
    const head = text.slice(0, text.indexOf("<!-- metrics:"));
    const marker = "<!-- metrics: made from packages/component/src/metrics/metrics.ts -->";
    const wanted = `${head}${marker}\n${table.join("\n")}\n<!-- /metrics -->\n`;
    if (process.env["UPDATE_DOCS"] === "1") writeFileSync(page, wanted);
    else expect(text, "docs/reference/metrics.md is behind the code: UPDATE_DOCS=1 mends it").toBe(wanted);
  });
});

/** The metrics of ours, by name without `stanzapack_`. */
async function families(): Promise<Map<string, { type: string; help: string }>> {
  const text = await bench.metrics.text();
  const helps = [...text.matchAll(/^# HELP stanzapack_(\S+) (.*)\n# TYPE \S+ (\S+)$/gm)];
  return new Map(helps.map(([, name = "", help = "", type = ""]) => [name, { type, help }]));
}

function familyOf(series: string): string {
  return series.replace(/\{.*/, "").replace(/_seconds_(count|sum|bucket)$/, "_seconds");
}
