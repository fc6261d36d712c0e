// `npm start`: runs the demo with the arguments in process.argv.
import { DemoError, reportFailure } from "./failure.js";
import { NothingToRun, parseOptions, type DemoOptions } from "./options.js";
import { formatReport } from "./report.js";
import { runDemo, type DemoResult } from "./run.js";
import { createLineScreen, createTableScreen, type Screen } from "./screen.js";

async function main(args: readonly string[]): Promise<0 | 1 | 2> {
  let options: DemoOptions;
  try {
    options = parseOptions(args);
  } catch (error) {
    if (error instanceof NothingToRun) return error.exitCode;
    throw error;
  }
  const interrupted = onInterruption();
  let rows: DemoResult["rows"] = [];
  let framesAfterStop = 0;
  await runDemo(options, interrupted, createScreen(options), (result) => {
    ({ rows, framesAfterStop } = result);
    const text = formatReport(result, options);
    (options.json ? process.stderr : process.stdout).write(`${text}\n`);
  });
  if (options.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
  if (framesAfterStop > 0)
    throw new DemoError(
      "internal",
      `${framesAfterStop} DATA frames came after every subscription was stopped`,
    );
  return 0;
}

function createScreen({ json }: DemoOptions): Screen {
  if (process.stdout.isTTY && !json) return createTableScreen(process.stdout);
  const stream = json ? process.stderr : process.stdout;
  return createLineScreen((line) => stream.write(`${line}\n`));
}

/**
 * Fires at the first signal, or when the reader of our output has closed it. A second signal ends the process at once.
 */
function onInterruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => {
      // The children end when this process has ended.
      if (controller.signal.aborted) process.exit(1);
      controller.abort();
    });
  process.stdout.on("error", () => controller.abort());
  process.stderr.on("error", () => undefined);
  return controller.signal;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = reportFailure(error);
}
