import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { SandboxError } from "./errors.js";
import type { StartState } from "./recipe.js";
import { startProcess, type Command, type ServerProcess } from "./server-process.js";
import type { ServerUser } from "./server-user.js";
import type { ProgramKind } from "./types.js";

/** Time between two reads of the log, in ms: a fifth of Prosody's whole start. */
export const POLL_MS = 40;

/** Lines of each log in an error's text: enough for a stack trace and its cause. */
const TAIL_LINES = 15;

export interface Launch {
  readonly kind: ProgramKind;
  readonly command: Command;
  readonly user: ServerUser;
  /** The server's ports, for the error's text. */
  readonly ports: readonly number[];
  readonly logFile: string;
  /** Judges the part of the log that is new since the start. */
  readonly readLog: (log: string) => StartState;
  /** Longest time until the server is ready, in ms. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Called as soon as the process exists. */
  readonly onSpawn: (server: ServerProcess) => void;
}

/**
 * Starts the server, and returns when its log says that its ports are open.
 *
 * A connection would be no proof: if another process took a port, another sandbox might answer there.
 */
export async function launch(options: Launch): Promise<ServerProcess> {
  const { kind, command, user, ports, logFile, signal } = options;
  const logStart = await sizeOf(logFile);
  const deadline = performance.now() + options.timeoutMs;
  const server = await startProcess(command, user);
  options.onSpawn(server);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const ending = server.ending;
      const state = options.readLog(await readFrom(logFile, logStart));
      if (state === "port-taken") {
        throw new SandboxError("port-taken", `${kind} found a port taken, of ${ports.join(", ")}`);
      }
      const overdue = performance.now() > deadline;
      if (ending !== undefined || overdue) {
        const what = ending ?? `was not ready within ${options.timeoutMs} ms`;
        const tail = `${await tailOf(command.outputFile)}${await tailOf(logFile)}`;
        throw new SandboxError("not-ready", `${kind} ${what}${tail}`);
      }
      if (state === "ready") return server;
      await sleep(POLL_MS);
    }
  } catch (error) {
    await server.end(0);
    throw error;
  }
}

export async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch {
    return 0; // the file does not exist yet
  }
}

export async function readFrom(file: string, start: number): Promise<string> {
  try {
    let text = "";
    for await (const chunk of createReadStream(file, { start, encoding: "utf8" })) text += String(chunk);
    return text;
  } catch {
    return "";
  }
}

export async function tailOf(file: string): Promise<string> {
  try {
    const lines = (await readFile(file, "utf8")).trimEnd().split("\n").slice(-TAIL_LINES);
    return `\n--- the end of ${file}:\n${lines.join("\n")}`;
  } catch {
    return "";
  }
}
