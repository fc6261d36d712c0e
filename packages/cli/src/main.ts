import { CommanderError } from "commander";
import { reportFailure, UsageError } from "./base/failure.js";
import { createProgram } from "./program.js";

/** 0: done. 1: failed. 2: wrong usage. */
export type ExitCode = 0 | 1 | 2;

/** Runs one command line to its end. Writes a failure to stderr. */
export async function runCli(args: readonly string[]): Promise<ExitCode> {
  try {
    await createProgram().parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      return reportFailure(new UsageError(withoutPrefix(error.message)));
    }
    return reportFailure(error);
  }
}

function withoutPrefix(message: string): string {
  return message === "(outputHelp)"
    ? "name a command: `stanzapack --help` lists them"
    : message.replace(/^error: /, "");
}

/** Runs the command line, waits until the output is written, and exits. `bin/` reports a failure to write output. */
export async function main(args: readonly string[]): Promise<never> {
  // A closed reader of stderr does not end the command.
  process.stderr.on("error", () => undefined);
  const code = await runCli(args);
  await Promise.all([written(process.stdout), written(process.stderr)]);
  process.exit(code);
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.destroyed || stream.errored !== null) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once("error", () => resolve());
    stream.once("close", () => resolve());
    stream.write("", () => resolve());
  });
}
