import { ERRORS, StanzapackError, type ErrorCode } from "@stanzapack/wire";
import { InputError } from "../input/input-error.js";

/** The command line is wrong: exit 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Checks of a deployment have failed, and their lines have said why. */
export class ChecksFailed extends Error {
  override readonly name = "ChecksFailed";
}

/** Writes a failure to stderr, with `stanzapack: CODE: text` as the last line. Returns the exit code. */
export function reportFailure(error: unknown): 1 | 2 {
  const { details, code, text } = describeFailure(error);
  for (const line of details) process.stderr.write(`${line}\n`);
  process.stderr.write(`stanzapack: ${code}: ${text}\n`);
  return code === "usage" ? 2 : 1;
}

export interface Failure {
  /** Lines to show before the last one: all faults of a file, the end of a server's log. */
  readonly details: readonly string[];
  readonly code: string;
  readonly text: string;
}

/** Advice for a command, which has ended. It replaces the SDK's advice, which is for a program that keeps running. */
const ADVICE: Readonly<Partial<Record<ErrorCode, string>>> = {
  "auth-failed": "Check --jid and --password-file: the server refused this account.",
  unreachable: "Check --url or the domain of --jid, and the network. Then run the command again.",
  disconnected: "The connection was lost: run the command again.",
  "component-unavailable":
    "Check --component. Check that `stanzapack serve` runs and is connected to the server. Then run the command again.",
  "no-such-service":
    "Check the spelling (`stanzapack services` lists all services), or wait for the service with `subscribe --wait`.",
  withdrawn: "Wait with `subscribe --wait` until the service is offered again.",
  "publisher-offline": "Run the command again when the publisher is online: the call did not run.",
  "outcome-unknown": "The call may have run, or not. Find out what it did before you run the command again.",
  "unknown-method": "Check the method's spelling. The publisher's program answers other methods, or none.",
  stopped: "Run the command again.",
  aborted: "Run the command again.",
};

export function describeFailure(error: unknown): Failure {
  if (error instanceof UsageError) return { details: [], code: "usage", text: oneLine(error.message) };
  if (error instanceof ChecksFailed) return { details: [], code: "unhealthy", text: oneLine(error.message) };
  if (error instanceof StanzapackError) {
    const { code } = error;
    const lines = error.text.split("\n");
    const given = error.message.slice(error.text.length + 2);
    const mend = given === ERRORS[code].mend ? (ADVICE[code] ?? given) : given;
    if (lines.length === 1) return { details: [], code, text: `${lines[0]}. ${mend}` };
    return { details: lines, code, text: `${lines.length} faults, named above. ${mend}` };
  }
  if (error instanceof InputError) return { details: [], code: error.code, text: oneLine(error.message) };
  if (!(error instanceof Error)) return { details: [], code: "internal", text: oneLine(String(error)) };
  const [text = "", ...details] = error.message.split("\n");
  // Only a `SandboxError` has a code of ours. Node's errors have codes too (`ENOENT`), which are not shown.
  const code: unknown = "code" in error ? error.code : undefined;
  if (error.name === "SandboxError" && typeof code === "string")
    return { details, code: code === "bad-option" ? "usage" : code, text };
  return { details: error.stack?.split("\n").slice(1) ?? [], code: "internal", text: oneLine(error.message) };
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, " ");
}
