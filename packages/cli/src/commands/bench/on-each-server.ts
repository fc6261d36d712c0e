import { InvalidArgumentError, Option } from "commander";
import Table from "cli-table3";
import { loadBench, type BenchModule, type BenchRow, type Verdict } from "../../base/bench-module.js";
import { formatDuration, parseInterval } from "../../base/parse.js";
import { interruptible } from "../../base/signals.js";

export const SERVERS = ["prosody", "ejabberd"] as const;

export const TRANSPORTS = ["tcp", "websocket", "bosh"] as const;

/** Options of the benchmarks that run on one server or on both. */
export interface ServerOptions {
  readonly server?: (typeof SERVERS)[number];
  readonly json?: true;
}

export interface CrowdOptions extends ServerOptions {
  readonly subscribers: number;
}

/** An option with a duration. `--help` shows its default as a user would type it. */
export function duration(flags: string, about: string, defaultMs: number, parse = parseInterval): Option {
  return new Option(flags, about).argParser(parse).default(defaultMs, formatDuration(defaultMs));
}

export function oneOf(allowed: readonly string[], text: string): string {
  if (!allowed.includes(text)) throw new InvalidArgumentError(`Allowed are ${allowed.join(", ")}.`);
  return text;
}

interface Run {
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

export async function onEachServer(
  options: ServerOptions,
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

/** A table with one line for each field, and a column for each row: a row has more fields than fit into a line. */
function formatRows(rows: readonly BenchRow[]): string {
  const table = new Table({ style: { head: [], border: [], compact: true } });
  for (const name of Object.keys(rows[0] ?? {}))
    table.push([name, ...rows.map((row) => String(row[name] ?? "not measured"))]);
  return table.toString();
}
