import { fileURLToPath } from "node:url";
import { startComponentProcess, type ComponentProcess, type Sandbox } from "@stanzapack/sandbox";

/** The command that operators use. */
const COMMAND = fileURLToPath(new URL("../../../cli/bin/stanzapack.js", import.meta.url));
/** Longest time for a component to start and connect, in ms: several servers may share a busy machine. */
const READY_MS = 60_000;
const LOG_LEVEL = process.env["STANZAPACK_TEST_LOG"] ?? "error";

/**
 * Starts a sandbox's component as operators run it, but connected through `port`, at which there is a proxy.
 * `store`: the key of its config. Without it, everything is in memory.
 */
export function startTestComponent(
  sandbox: Sandbox,
  port: number,
  signal: AbortSignal,
  onFailure?: (how: string) => void,
  store?: Readonly<Record<string, unknown>>,
): Promise<ComponentProcess> {
  const options = {
    ...{ command: COMMAND, port, signal, logLevel: LOG_LEVEL, timeoutMs: READY_MS, onFailure, store },
  };
  return startComponentProcess(sandbox, options);
}
