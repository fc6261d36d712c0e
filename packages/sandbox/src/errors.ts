/**
 * - `bad-option`: an option is out of range.
 * - `not-installed`: the server, or a tool that it brings, is missing; the text says what to install.
 * - `not-ready`: the server ended or did not come up in time; the text ends with its log's last lines.
 * - `port-taken`: other processes kept taking the ports that were tried.
 * - `refused`: the running server refused an account.
 * - `stopped`: the sandbox was stopped, so there is nothing to act on.
 */
export type SandboxErrorCode =
  "bad-option" | "not-installed" | "not-ready" | "port-taken" | "refused" | "stopped";

/** Everything that this package throws itself; an abort throws its signal's reason instead. */
export class SandboxError extends Error {
  override readonly name = "SandboxError";
  readonly code: SandboxErrorCode;

  constructor(code: SandboxErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
