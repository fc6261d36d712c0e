/**
 * - `bad-option`: an option is out of range.
 * - `not-installed`: the server, or a tool of its package, is missing. The text says what to install.
 * - `not-ready`: the server ended, or did not start in time. The text ends with the last lines of its log.
 * - `port-taken`: other processes took the ports at every try.
 * - `refused`: the running server refused an account.
 * - `stopped`: the sandbox is stopped, so the call has nothing to act on.
 */
export type SandboxErrorCode =
  "bad-option" | "not-installed" | "not-ready" | "port-taken" | "refused" | "stopped";

/**
 * Every error that this package throws itself, but those of a component that does not start. An abort throws the
 * reason of its signal instead.
 */
export class SandboxError extends Error {
  override readonly name = "SandboxError";
  readonly code: SandboxErrorCode;

  constructor(code: SandboxErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
