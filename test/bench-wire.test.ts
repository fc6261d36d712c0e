import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { COMMAND, startProgram, type Program } from "./support/program.js";
import { WHOLE } from "./support/whole.js";

const FORMS = ["stanzapack", "msgpack-ibb", "json-body", "json-batch"];
const FIELDS = [
  ...["server", "transport", "compression", "workload", "windowMs", "form", "updates", "lost"],
  ...["bytesDown", "bytesUp", "tlsDown", "tlsUp", "wireDown", "wireUp", "handshakeBytes"],
  ...["envelope", "ageP50Ms", "ageP99Ms", "quoteEscapeBytes"],
];
const HOPS = ["tcp none", "tcp zlib", "websocket none", "bosh none", "bosh gzip"];

interface Row {
  server: string;
  transport: string;
  compression: string;
  workload: string;
  windowMs: number;
  form: string;
  updates: number;
  lost: number;
  bytesDown: number;
  bytesUp: number;
  tlsDown: number;
  tlsUp: number;
  wireDown: number | null;
  wireUp: number | null;
  handshakeBytes: number;
  envelope: "lean" | "ibb" | null;
  ageP50Ms: number;
  ageP99Ms: number;
  quoteEscapeBytes: number | null;
}

const startBench = (...args: string[]): Program => startProgram(COMMAND, "bench", "wire", ...args);

/** Network namespaces of one run. */
function namespacesOf(pid: number | undefined): string[] {
  try {
    return readdirSync("/run/netns").filter((name) => name.startsWith(`spwire-${pid}-`));
  } catch {
    return [];
  }
}

async function untilMeasuring({ output }: Program): Promise<void> {
  for (const deadline = Date.now() + 90_000; !output.stderr.includes("measuring for"); await sleep(50))
    if (Date.now() > deadline) throw new Error(`not measuring within 90 s:\n${output.stderr}`);
}

const name = (row: Row): string =>
  `${row.server} ${row.transport} ${row.compression} ${row.workload} ${row.windowMs} ${row.form}`;

function expectSound(row: Row, onWire: boolean): void {
  expect(Object.keys(row)).toEqual(FIELDS);
  expect(row, name(row)).toMatchObject({ lost: 0 });
  expect(row.updates).toBeGreaterThan(0);
  // Each layer contains the layer above, in both directions.
  const layers = [
    [row.bytesDown, row.tlsDown, row.wireDown],
    [row.bytesUp, row.tlsUp, row.wireUp],
  ];
  for (const layer of layers) {
    const known = layer.filter((bytes) => bytes !== null);
    expect(known, name(row)).toEqual([...known].sort((a, b) => a - b));
  }
  expect(row.wireDown !== null && row.wireUp !== null).toBe(onWire);
  expect(row.handshakeBytes).toBeGreaterThan(500);
  expect(row.envelope, name(row)).toBe(row.form === "stanzapack" ? "lean" : null);
  expect(row.ageP50Ms).toBeGreaterThan(0);
  expect(row.ageP99Ms).toBeGreaterThanOrEqual(row.ageP50Ms);
  expect(row.quoteEscapeBytes === null).toBe(row.compression !== "none");
}

/** Windows of the first run, as its option names them and in ms. */
const WINDOWS = WHOLE ? { option: "0,1s", ms: [0, 1_000] } : { option: "1s", ms: [1_000] };

describe("stanzapack bench wire", () => {
  test("gives exactly the rows asked for: every hop and form", async () => {
    const args = ["--quick", "--for", "2s", "--workload", "int", "--window", WINDOWS.option, "--json"];
    const bench = startBench(...args);
    expect(await bench.ended, bench.output.stderr).toBe(0);
    const rows = JSON.parse(bench.output.stdout) as Row[];
    expect(bench.output.stdout).toBe(`${JSON.stringify(rows)}\n`);
    const expected = ["prosody", "ejabberd"].flatMap((server) =>
      HOPS.flatMap((hop) =>
        WINDOWS.ms.flatMap((windowMs) => FORMS.map((form) => `${server} ${hop} int ${windowMs} ${form}`)),
      ),
    );
    expect(rows.map(name)).toEqual(expected);
    const onWire = !bench.output.stderr.includes("wireDown and wireUp are null");
    for (const row of rows) expectSound(row, onWire);
    expectRivalsSawTheSame(rows);
    expect(namespacesOf(bench.process.pid)).toEqual([]);
  });

  test("a table for people, with where JSON is smaller first", async () => {
    const bench = startBench(
      ...["--server", "ejabberd", "--transport", "tcp", "--compression", "none", "--for", "3s"],
      ...["--workload", "now-and-then,text1000", "--window", "100ms"],
    );
    expect(await bench.ended, bench.output.stderr).toBe(0);
    expect(bench.output.stdout).toMatch(/^JSON is smaller/);
    expect(bench.output.stdout).toContain("ejabberd, tcp, no compression: bytes per update");
    expect(bench.output.stderr).toMatch(/measuring for 3 s; 1 of 1, about \d+ (s|min) left/);
  });

  test.each(["SIGINT", "SIGTERM"] as const)("%s while it measures: nothing left", async (signal) => {
    const bench = startBench(
      ...["--server", "prosody", "--transport", "tcp", "--compression", "none", "--json"],
      ...["--workload", "int", "--window", "0", "--for", "60s"],
    );
    await untilMeasuring(bench);
    bench.process.kill(signal);
    expect(await bench.ended, bench.output.stderr).toBe(0);
    expect(bench.output.stdout).toBe("[]\n");
    expect(namespacesOf(bench.process.pid)).toEqual([]);
  });

  test("what a killed run left is swept by the next", async () => {
    const args = [
      ...["--server", "prosody", "--transport", "tcp", "--compression", "none", "--form", "json-body"],
      ...["--workload", "int", "--window", "0", "--json", "--for"],
    ];
    const killed = startBench(...args, "60s");
    await untilMeasuring(killed);
    killed.process.kill("SIGKILL");
    await killed.ended;
    const next = startBench(...args, "1s");
    expect(await next.ended, next.output.stderr).toBe(0);
    expect(JSON.parse(next.output.stdout)).toHaveLength(1);
    expect(namespacesOf(killed.process.pid)).toEqual([]);
  });

  test.each([
    ["--transport", "websocket", "--compression", "zlib,gzip"],
    ["--transport", "tcp", "--compression", "gzip"],
    ["--window", "300ms"],
    ["--workload", "nothing"],
  ])("wrong usage: %s %s", async (...args) => {
    const bench = startBench(...args);
    expect(await bench.ended).toBe(2);
    expect(bench.output.stderr).toMatch(/^stanzapack: usage: /m);
  });
});

/** The forms of a cell carry the same updates. None has more than one update fewer at either end. */
function expectRivalsSawTheSame(rows: readonly Row[]): void {
  for (let first = 0; first < rows.length; first += FORMS.length) {
    const counts = rows.slice(first, first + FORMS.length).map(({ updates }) => updates);
    expect(new Set(counts).size, `${name(rows[first] as Row)}: ${counts.join(", ")}`).toBe(1);
  }
}
