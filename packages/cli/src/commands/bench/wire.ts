import type { Command } from "commander";
import { loadBench } from "../../base/bench-module.js";
import { listOf, parseInterval, parseWindow } from "../../base/parse.js";
import { interruptible } from "../../base/signals.js";
import { oneOf, SERVERS, TRANSPORTS } from "./on-each-server.js";

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

const COMPRESSIONS = ["none", "zlib", "gzip"] as const;

const WORKLOADS = ["int", "float2", "obj", "text1000", "mixed3", "now-and-then", "seattle"] as const;

const FORMS = ["stanzapack", "msgpack-ibb", "json-body", "json-batch"] as const;

export function addWire(bench: Command): void {
  const list = (allowed: readonly string[]) => listOf((text) => oneOf(allowed, text));
  bench
    .command("wire")
    .summary("measure the bytes that an update takes")
    .description(
      "Sends the same updates as Stanzapack, as msgpack and as JSON over real servers, each form on its " +
        "own connection. Counts XMPP, TLS and TCP/IP bytes, both ways. If run by root, each connection " +
        "has its own network namespace, whose packets are counted.",
    )
    .option("--server <list>", SERVERS.join(", "), list(SERVERS))
    .option("--transport <list>", TRANSPORTS.join(", "), list(TRANSPORTS))
    .option("--compression <list>", "none, zlib (tcp only), gzip (bosh only)", list(COMPRESSIONS))
    .option("--workload <list>", WORKLOADS.join(", "), list(WORKLOADS))
    .option("--window <list>", "windows (default: 0,100ms,1s)", listOf(parseWindow))
    .option("--form <list>", FORMS.join(", "), list(FORMS))
    .option(
      "--for <duration>",
      "length of the measurement of each cell (default: what the total time allows)",
      parseInterval,
    )
    .option(
      "--quick",
      "two minutes instead of up to 75: without lists, int, obj, text1000, mixed3 with windows 0 and 1s",
    )
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Lists are separated by commas. Without a list, the command takes everything that the list may have.

Rows: {server, transport, compression, workload, windowMs, form, updates, lost, bytesDown, bytesUp, tlsDown, tlsUp,
wireDown, wireUp, handshakeBytes, envelope, ageP50Ms, ageP99Ms, quoteEscapeBytes}. Bytes are counted from the first
subscribe on; null means not measured. wireDown and wireUp are IP packets, without Ethernet headers. envelope is lean or
ibb: the envelope of Stanzapack's small blocks at the end.

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
