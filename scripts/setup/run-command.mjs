import { spawn } from "node:child_process";

/** Number of output lines that are shown if a command fails. */
const TAIL_LINES = 30;

/**
 * Runs a command to its end, even if this process receives a signal meanwhile: half an installation is of no use. The
 * command receives the signal too, and afterwards the signal ends this process.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, stdin?: "ignore" | "inherit" }} [options]
 * @returns {Promise<{ ok: boolean, output: string, tail: string }>} Its stdout and stderr, and their last lines.
 */
export async function runCommand(program, args, { cwd, env = {}, stdin = "ignore" } = {}) {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: [stdin, "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk) => (output += chunk));
  }
  /** @type {NodeJS.Signals | undefined} */
  let received;
  const signals = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);
  const pass = (/** @type {NodeJS.Signals} */ signal) => {
    received = signal;
    child.kill(signal);
  };
  for (const signal of signals) process.on(signal, pass);
  const ok = await new Promise((resolve) => {
    child.once("error", (error) => {
      output += `${error.message}\n`;
      resolve(false);
    });
    child.once("close", (code) => resolve(code === 0));
  });
  for (const signal of signals) process.off(signal, pass);
  if (received !== undefined) {
    process.kill(process.pid, received);
    await new Promise((resolve) => setTimeout(resolve, 1000)); // the signal is on its way
  }
  return { ok, output, tail: output.trimEnd().split("\n").slice(-TAIL_LINES).join("\n") };
}
