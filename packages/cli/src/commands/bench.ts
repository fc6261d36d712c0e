import { InvalidArgumentError, Option, type Command } from "commander";
import Table from "cli-table3";
import { loadBench, type BenchModule, type BenchRow, type Verdict } from "../base/bench-module.js";
import { formatDuration, listOf, parseCount, parseInterval, parseWindow } from "../base/parse.js";
import { interruptible } from "../base/signals.js";
import { addBenchComponent } from "./bench-component.js";

interface FanOutOptions {
  readonly server?: (typeof SERVERS)[number];
  readonly subscribers: number;
  readonly rate: number;
  readonly window: number;
  readonly for: number;
  readonly json?: true;
}

const SERVERS = ["prosody", "ejabberd"] as const;

interface WireOptions {
  readonly server?: readonly string[];
  readonly transport?: readonly string[];
  readonly compression?: readonly string[];
  readonly workload?: readonly string[];
  readonly window?: readonly number[];
  readonly form?: readonly string[];
  readonly for?: number;
  readonly quick?: true;
  readonly json?: true;
}

const TRANSPORTS = ["tcp", "websocket", "bosh"] as const;
const COMPRESSIONS = ["none", "zlib", "gzip"] as const;
const WORKLOADS = ["int", "float2", "obj", "text1000", "mixed3", "now-and-then", "seattle"] as const;
const FORMS = ["stanzapack", "msgpack-ibb", "json-body", "json-batch"] as const;

interface CodecOptions {
  readonly workload?: readonly string[];
  readonly batch?: readonly number[];
  readonly quick?: true;
  readonly json?: true;
}

const ROW_SETS = [
  ...[
    "int",
    "float2",
    "obj",
    "multi50",
    "pos30",
    "log1000",
    "chat",
    "dbl",
    "acc",
    "f32dec",
    "seattle",
    "normals",
  ],
  ...["wind", "stocks", "sp500", "birds", "weather", "usemp", "quakes", "flights", "gap", "movies"],
  ...["state200", "dict500", "doc8k", "blob3k", "queue"],
];

/** An option whose default is shown as it would be typed. */
function duration(flags: string, about: string, defaultMs: number, parse = parseInterval): Option {
  return new Option(flags, about).argParser(parse).default(defaultMs, formatDuration(defaultMs));
}

export function addBench(program: Command): void {
  const bench = program
    .command("bench")
    .summary("measure, on this machine")
    .description("Measures Stanzapack on private servers of its own. Only in a clone of the repository.");
  bench.action(() => bench.help({ error: true }));
  bench
    .command("fanout")
    .summary("what one small update to many subscribers costs")
    .description(
      "One publisher, many subscribers of one service: processor time of component and server for each stanza, delays, memory.",
    )
    .addOption(new Option("--server <kind>", "only this one (default: both)").choices(SERVERS))
    .option("--subscribers <count>", "resources of a few accounts", parseCount, 200)
    .option("--rate <count>", "updates a second", parseCount, 10)
    .addOption(duration("--window <duration>", "window of every subscription", 100, parseWindow))
    .addOption(duration("--for <duration>", "how long is measured", 20_000))
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {system, server, subscribers, updatesPerSecond, windowMs, stanzas, updates, componentCpuUsPerStanza,
serverCpuUsPerStanza, totalCpuUsPerUpdate, p50Ms, p99Ms, componentRssBytesPerSubscriber}. The subscribers run on the
same machine and share its processors; compare rows of one run, not of two machines.

Examples:
  $ stanzapack bench fanout
  $ stanzapack bench fanout --server ejabberd --subscribers 500 --window 1s --json`,
    )
    .action(fanOut);
  addBenchComponent(bench);
  addJoiners(bench);
  addSlowServer(bench);
  addBystanders(bench);
  addReturn(bench);
  addWire(bench);
  addCodec(bench);
}

function addJoiners(bench: Command): void {
  bench
    .command("joiners")
    .summary("what it costs the others when subscribers come and go")
    .description(
      "One service at 10 Hz, windows of 100 ms; a tenth of its subscribers come and go, one of each every second. The same values " +
        "twice: first nobody joins. Bytes to those who stay, and how long a joiner gets bodies of its own.",
    )
    .addOption(new Option("--server <kind>", "only this one (default: both)").choices(SERVERS))
    .option("--subscribers <count>", "resources of a few accounts", parseCount, 100)
    .addOption(duration("--for <duration>", "how long each of the two runs is measured", 120_000))
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {server, subscribers, staying, updatesPerSecond, windowMs, joins, updates, lost, quietBytesPerUpdate,
busyBytesPerUpdate, ratio, joinerBytesPerUpdate, waitP50Ms, waitMaxMs, leftWaiting}; bytes of XMPP, both ways.

Examples:
  $ stanzapack bench joiners
  $ stanzapack bench joiners --server ejabberd --subscribers 50 --for 30s --json`,
    )
    .action(joiners);
}

async function joiners(
  options: Pick<FanOutOptions, "server" | "subscribers" | "for" | "json">,
): Promise<void> {
  await onEachServer(options, (benchmarks, server, run) =>
    benchmarks.runJoiners({ server, subscribers: options.subscribers, forMs: options.for, ...run }),
  );
}

const OFFENDERS = ["stuck", "stopped", "flood", "churn", "links", "costly"] as const;

interface BystandersOptions extends Pick<FanOutOptions, "server" | "subscribers" | "for" | "json"> {
  readonly phases: number;
  readonly offender?: readonly string[];
  readonly quick?: true;
}

function addBystanders(bench: Command): void {
  const list = listOf((text) => oneOf(OFFENDERS, text));
  bench
    .command("bystanders")
    .summary("what a few who misbehave cost everybody else")
    .description(
      "A value and a log at 10 Hz, windows of 100 ms. In every other phase, beginning with the first, there are: a program stuck in its " +
        "loop over both; a client whose TCP stops reading; a publisher of 10,000 updates a second; a client that subscribes and " +
        "stops as fast as it can; one that opens and closes links so; and, where named, `costly`: a publisher by hand whose few bytes " +
        "take long to read. Ages and losses of the others, and the component's memory.",
    )
    .addOption(new Option("--server <kind>", "only this one (default: both)").choices(SERVERS))
    .option("--subscribers <count>", "bystanders, resources of a few accounts", parseCount, 50)
    .addOption(duration("--for <duration>", "how long a phase is", 30_000))
    .option("--phases <count>", "with them and without, in turn", parseCount, 5)
    .option("--offender <list>", `${OFFENDERS.join(", ")} (default: all but costly)`, list)
    .option("--quick", "a minute a server: three phases of 8 s")
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {server, subscribers, windowMs, quietP50Ms, quietP99Ms, troubledP50Ms, troubledP99Ms, ratio, updates, missing,
conflated, faults, floodPerSecond, subscriptionsPerSecond, subscriptionsRefused, linksPerSecond, linksRefused,
idleRssBytes, baseRssBytes, quietRssBytes, troubledRssBytes, boundBytes, serverCpuPercent, componentCpuPercent}; ages and
memory are medians and maxima over the phases without (quiet) and with (troubled) them.

Examples:
  $ stanzapack bench bystanders
  $ stanzapack bench bystanders --quick --server ejabberd --offender flood --json`,
    )
    .action(bystanders);
}

async function bystanders(options: BystandersOptions): Promise<void> {
  const { subscribers, offender, quick } = options;
  const phases = quick ? { forMs: 8_000, phases: 3 } : { forMs: options.for, phases: options.phases };
  await onEachServer(
    options,
    ({ peers }, server, run) =>
      peers.runBystanders({
        ...{ server, subscribers },
        ...phases,
        ...(offender && { offenders: offender }),
        ...run,
      }),
    ({ peers }, row) => peers.judgeBystanders(row),
  );
}

interface ReturnOptions extends Pick<FanOutOptions, "server" | "subscribers" | "json"> {
  readonly opens?: number;
  readonly burst?: number;
  readonly quick?: true;
}

function addReturn(bench: Command): void {
  bench
    .command("return")
    .summary("how long it takes until all are back when the component's stream is lost")
    .description(
      "Many subscribers of a value and a log. The component's stream to its server is cut while its process lives, so that all of " +
        "them lose their links at once: when they are back, at which positions, and how many links were admitted and refused.",
    )
    .addOption(new Option("--server <kind>", "only this one (default: both)").choices(SERVERS))
    .option("--subscribers <count>", "resources of a few accounts", parseCount, 1_000)
    .option("--opens <count>", "opensPerSecond of the component (default: its own)", parseCount)
    .option("--burst <count>", "opensBurst of the component (default: its own)", parseCount)
    .option("--quick", "a minute a server: 100 subscribers, 20 opens a second, 20 at once")
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {server, subscribers, interrupted, back, backP50Ms, backMaxMs, faults, logLost, valueLost, opensPerSecond, opensBurst,
opens, opensMaxPerSecond, opensBeyondRate, refused, refusedMaxPerClient, refusedUntold}; times since the cut.

Examples:
  $ stanzapack bench return
  $ stanzapack bench return --quick --server prosody
  $ stanzapack bench return --subscribers 500 --opens 50 --burst 100 --json`,
    )
    .action(returning);
}

async function returning(options: ReturnOptions): Promise<void> {
  const { opens, burst, quick } = options;
  const size = quick
    ? { subscribers: 100, opensPerSecond: 20, opensBurst: 20 }
    : {
        subscribers: options.subscribers,
        ...(opens !== undefined && { opensPerSecond: opens }),
        ...(burst !== undefined && { opensBurst: burst }),
      };
  await onEachServer(
    options,
    ({ peers }, server, run) => peers.runReturn({ server, ...size, ...run }),
    ({ peers }, row) => peers.judgeReturn(row),
  );
}

function addSlowServer(bench: Command): void {
  bench
    .command("slow-server")
    .summary("how old values get at a server that limits a client's bytes per second")
    .description(
      "150 random doubles every 100 ms, some 16 kB/s, behind the limits that servers ship with (ejabberd 3,000 B/s, Prosody " +
        "10 kB/s): how old the newest value at a subscriber is, with the publisher's pacing and, at the same time, without it.",
    )
    .addOption(new Option("--server <kind>", "only this one (default: both)").choices(SERVERS))
    .addOption(new Option("--transport <kind>", "of all clients").choices(TRANSPORTS).default("tcp"))
    .addOption(duration("--for <duration>", "how long is published; the first 12 s do not count", 60_000))
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {server, transport, offeredBytesPerSecond, forMs, published, delivered, conflated, lost, windowMs, ageP50Ms, ageMaxMs,
ageOfAllowed, unpacedDelivered, unpacedAgeP50Ms, unpacedAgeMaxMs}; ageOfAllowed is the largest age as a share of three granted
windows and 200 ms, windowMs the widest granted.

Examples:
  $ stanzapack bench slow-server
  $ stanzapack bench slow-server --server ejabberd --transport websocket --for 30s --json`,
    )
    .action(slowServer);
}

async function slowServer(
  options: Pick<FanOutOptions, "server" | "for" | "json"> & {
    readonly transport: (typeof TRANSPORTS)[number];
  },
): Promise<void> {
  await onEachServer(options, (benchmarks, server, run) =>
    benchmarks.runSlowServer({ server, transport: options.transport, forMs: options.for, ...run }),
  );
}

function addCodec(bench: Command): void {
  const list = (allowed: readonly string[]) => listOf((text) => oneOf(allowed, text));
  bench
    .command("codec")
    .summary("how small the codec makes 22 data sets and five large values, and how fast")
    .description(
      "Encodes 22 data sets, and five large values that change a little, in batches, as whole stanzas at 10 batches a second, reads every one back and compares, and holds " +
        "size and time against JSON in the same batches. No server takes part.",
    )
    .option("--workload <list>", ROW_SETS.join(", "), list(ROW_SETS))
    .option("--batch <list>", "updates a stanza (default: 1,10,50,100)", listOf(parseCount))
    .option("--quick", "a minute: batches of 10 and 100, where none are named, and the clock's first reading")
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Lists are separated by commas; without one, all of them.

Rows: {workload, batch, payloadBytesPerUpdate, frameBytesPerUpdate, rivalBytesPerUpdate, frameZlibBytesPerUpdate,
rivalZlibBytesPerUpdate, brotliBytesPerUpdate, xzBytesPerUpdate, envelope, keyframes, numericFields, encodeUsPerUpdate,
decodeUsPerUpdate, jsonDeflateUsPerUpdate, jsonInflateUsPerUpdate, memoryBytes}; frame and rival are whole
stanzas, ours mostly in the envelope named (lean, ibb) where nothing is compressed. The last
rows, workload geomean, are the geometric means over the 22; the five large values are not among them.

Examples:
  $ stanzapack bench codec
  $ stanzapack bench codec --quick
  $ stanzapack bench codec --workload int,chat --batch 1,10 --json`,
    )
    .action(codec);
}

async function codec(options: CodecOptions): Promise<void> {
  await interruptible(async ({ signal }) => {
    const { codec } = await loadBench("the benchmarks");
    const { workload, batch } = options;
    const rows = await codec.runCodec({
      ...(workload && { workloads: workload }),
      ...(batch && { batches: batch }),
      quick: options.quick ?? false,
      signal,
      onProgress: (text) => void process.stderr.write(`${text}\n`),
    });
    process.stdout.write(options.json ? `${JSON.stringify(rows)}\n` : `${codec.formatCodecReport(rows)}\n`);
  });
}

function addWire(bench: Command): void {
  const list = (allowed: readonly string[]) => listOf((text) => oneOf(allowed, text));
  bench
    .command("wire")
    .summary("how many bytes an update takes")
    .description(
      "Sends the same updates for real as Stanzapack, as msgpack and as JSON, each form on a connection of its own, and counts " +
        "XMPP, TLS and TCP/IP bytes both ways. As root each connection has a network namespace, whose packets are counted.",
    )
    .option("--server <list>", SERVERS.join(", "), list(SERVERS))
    .option("--transport <list>", TRANSPORTS.join(", "), list(TRANSPORTS))
    .option("--compression <list>", "none, zlib (tcp only), gzip (bosh only)", list(COMPRESSIONS))
    .option("--workload <list>", WORKLOADS.join(", "), list(WORKLOADS))
    .option("--window <list>", "windows (default: 0,100ms,1s)", listOf(parseWindow))
    .option("--form <list>", FORMS.join(", "), list(FORMS))
    .option(
      "--for <duration>",
      "how long each cell is measured (default: what the time allows)",
      parseInterval,
    )
    .option(
      "--quick",
      "two minutes instead of up to an hour: int, obj, text1000, mixed3 with 0 and 1s, where none are named",
    )
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Lists are separated by commas; without one, all of them.

Rows: {server, transport, compression, workload, windowMs, form, updates, lost, bytesDown, bytesUp, tlsDown, tlsUp,
wireDown, wireUp, handshakeBytes, envelope, ageP50Ms, ageP99Ms, quoteEscapeBytes}; bytes from the first subscribe on,
null where not measured. wireDown and wireUp are IP packets, without Ethernet headers. envelope: what Stanzapack's small blocks
came in at the end, lean stanzas or ibb.

Examples:
  $ stanzapack bench wire --quick
  $ stanzapack bench wire --server ejabberd --transport tcp --workload int,obj --window 1s --for 30s`,
    )
    .action(wire);
}

async function wire(options: WireOptions): Promise<void> {
  await interruptible(async ({ signal }) => {
    const { wire } = await loadBench("the benchmarks");
    const { server, transport, compression, workload, window, form } = options;
    const tell = (text: string): void => void process.stderr.write(`${text}\n`);
    const { rows, failure } = await wire.runWire({
      ...(server && { servers: server }),
      ...(transport && { transports: transport }),
      ...(compression && { compressions: compression }),
      ...(workload && { workloads: workload }),
      ...(window && { windowsMs: window }),
      ...(form && { forms: form }),
      ...(options.for !== undefined && { forMs: options.for }),
      ...{ quick: options.quick ?? false, signal, onProgress: tell, onNotice: tell },
    });
    process.stdout.write(options.json ? `${JSON.stringify(rows)}\n` : `${wire.formatWireReport(rows)}\n`);
    if (failure !== undefined) throw failure;
  });
}

function oneOf(allowed: readonly string[], text: string): string {
  if (!allowed.includes(text)) throw new InvalidArgumentError(`Allowed are ${allowed.join(", ")}.`);
  return text;
}

async function fanOut(options: FanOutOptions): Promise<void> {
  await onEachServer(options, (benchmarks, server, run) =>
    benchmarks.runFanOut({
      server,
      subscribers: options.subscribers,
      updatesPerSecond: options.rate,
      windowMs: options.window,
      forMs: options.for,
      ...run,
    }),
  );
}

interface Run {
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

async function onEachServer(
  options: Pick<FanOutOptions, "server" | "json">,
  measure: (benchmarks: BenchModule, server: (typeof SERVERS)[number], run: Run) => Promise<BenchRow>,
  judge: (benchmarks: BenchModule, row: BenchRow) => readonly Verdict[] = () => [],
): Promise<void> {
  await interruptible(async ({ signal }) => {
    const benchmarks = await loadBench("the benchmarks");
    const rows: BenchRow[] = [];
    for (const server of options.server === undefined ? SERVERS : [options.server]) {
      const onProgress = (text: string): void => void process.stderr.write(`${server}: ${text}\n`);
      rows.push(await measure(benchmarks, server, { signal, onProgress }));
    }
    if (options.json) return void process.stdout.write(`${JSON.stringify(rows)}\n`);
    const verdicts = rows.flatMap((row) =>
      judge(benchmarks, row).map(
        ({ text, met }) => `${met === undefined ? "–" : met ? "✓" : "✗"} ${row["server"]}: ${text}\n`,
      ),
    );
    process.stdout.write(`${formatRows(rows)}\n${verdicts.join("")}`);
  });
}

/** Figures in columns, one row down the page each: there are more of them than fit across. */
function formatRows(rows: readonly BenchRow[]): string {
  const table = new Table({ style: { head: [], border: [], compact: true } });
  for (const name of Object.keys(rows[0] ?? {}))
    table.push([name, ...rows.map((row) => String(row[name] ?? "not measured"))]);
  return table.toString();
}
