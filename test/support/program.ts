import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** The built command `stanzapack`. */
export const COMMAND = fileURLToPath(new URL("../../packages/cli/bin/stanzapack.js", import.meta.url));

/** A program of ours in its own process, and its output so far. */
export interface Program {
  readonly process: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  /** Exit status. Null if a signal ended the process. */
  readonly ended: Promise<number | null>;
}

/** Starts a program of Node, which does not outlive the test. For tests that do not run side by side. */
export function startProgram(file: string, ...args: string[]): Program {
  const child = spawn(process.execPath, [file, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
  const ended = once(child, "close").then(([status]) => status as number | null);
  onTestFinished(() => void child.kill("SIGKILL"));
  return { process: child, output, ended };
}
