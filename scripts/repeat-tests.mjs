#!/usr/bin/env node
// Runs all tests several times in a row, some runs beside busy loops. A test that fails by chance fails here.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { say } from "./setup/say.mjs";
import { runVitest } from "./setup/run-vitest.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

const HELP = `Usage: npm run test:repeat -- [options] [-- arguments of vitest]

Runs all tests several times in a row, and prints which tests failed in which run.
In some runs, busy loops run beside the tests. Each loop fills one processor.

  --runs N       number of runs (default: 6)
  --busy N       number of runs with busy loops: first the runs 2, 4, 6, …, then the others (default: half of the runs)
  --loops N      number of busy loops in such a run (default: 2)
  --stop         stop after the first run that fails
  --help         print this text

Repeats one file: \`npm run test:repeat -- --runs 20 --busy 20 -- --project e2e test/log.test.ts\`

Exit status: 0 if every run passed, 1 if a run failed, 2 for wrong usage.
`;

/** @param {readonly string[]} args */
function parseOptions(args) {
  const end = args.indexOf("--");
  const ours = end < 0 ? args : args.slice(0, end);
  const { values } = parseArgs({
    args: [...ours],
    options: {
      ...{ runs: { type: "string" }, busy: { type: "string" }, loops: { type: "string" } },
      ...{ stop: { type: "boolean" }, help: { type: "boolean" } },
    },
  });
  if (values.help === true) return undefined;
  const number = (name, standard, min) => {
    const text = values[name] ?? String(standard);
    if (!/^\d{1,6}$/.test(text) || Number(text) < min)
      throw new TypeError(`--${name}: \`${text}\` is not a whole number of at least ${min}`);
    return Number(text);
  };
  const runs = number("runs", 6, 1);
  const busy = number("busy", Math.floor(runs / 2), 0);
  if (busy > runs) throw new TypeError(`--busy: ${busy} is more than the ${runs} runs`);
  return {
    ...{ runs, busy, loops: number("loops", 2, 1), stop: values.stop === true },
    vitest: end < 0 ? [] : args.slice(end + 1),
  };
}

/**
 * Numbers of the runs beside busy loops. Every second run comes first, so that both sorts of runs find the machine in
 * the same state.
 */
function busyRuns(runs, busy) {
  const numbers = Array.from({ length: runs }, (_, i) => i + 1);
  return new Set(
    [...numbers.filter((n) => n % 2 === 0), ...numbers.filter((n) => n % 2 === 1)].slice(0, busy),
  );
}

/** Starts busy loops. They end with this process, however it ends. */
function startLoops(count) {
  return Array.from({ length: count }, () => new Worker("for (;;);", { eval: true }));
}

/** @param {NonNullable<ReturnType<typeof parseOptions>>} options */
async function main({ runs, busy, loops, stop, vitest }) {
  const rows = [];
  const beside = busyRuns(runs, busy);
  for (let run = 1; run <= runs; run++) {
    const isBusy = beside.has(run);
    say(`run ${run} of ${runs}${isBusy ? `, with ${loops} busy loops` : ""} …`);
    const workers = isBusy ? startLoops(loops) : [];
    const result = await runVitest(process.execPath, vitest, { cwd: ROOT });
    await Promise.all(workers.map((worker) => worker.terminate()));
    rows.push({ run, isBusy, ...result });
    say(
      `… ${result.passed ? "passed" : "FAILED"}: ${result.summary}, ${(result.seconds / 60).toFixed(1)} min`,
    );
    if (stop && !result.passed) break;
  }
  for (const { run, isBusy, passed, summary, seconds, failures } of rows) {
    const what = `run ${run}${isBusy ? `, ${loops} busy loops` : ""}`;
    process.stdout.write(
      `${passed ? "ok    " : "FAILED"} ${what.padEnd(22)} ${(seconds / 60).toFixed(1)} min  ${summary}\n`,
    );
    for (const name of failures) process.stdout.write(`         ${name}\n`);
  }
  process.exitCode = rows.every(({ passed }) => passed) ? 0 : 1;
}

let options;
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`stanzapack: usage: ${error.message} (see --help)\n`);
  process.exit(2);
}
if (options === undefined) process.stdout.write(HELP);
else await main(options);
