/** A failure that another process of the demo told, with that process's code. */
export class DemoError extends Error {
  override readonly name = "DemoError";

  constructor(
    readonly code: string,
    message: string,
    /** Lines to show before: the end of what the other process said. */
    readonly details: readonly string[] = [],
  ) {
    super(message);
  }
}

/** Tells a failure on stderr, last of all in the line `stanzapack: CODE: text`, and gives the exit code. */
export function reportFailure(error: unknown): 1 {
  const { details, code, text } = describeFailure(error);
  for (const line of [...details, `stanzapack: ${code}: ${text}`]) process.stderr.write(`${line}\n`);
  return 1;
}

export function describeFailure(error: unknown): {
  readonly details: readonly string[];
  readonly code: string;
  readonly text: string;
} {
  if (!(error instanceof Error)) return { details: [], code: "internal", text: String(error) };
  const text = error.message.trim().replace(/\s*\n\s*/g, " ");
  if (error instanceof DemoError) return { details: error.details, code: error.code, text };
  // Codes of our own packages, never one of Node's (`ENOENT`).
  const code: unknown = "code" in error ? error.code : undefined;
  if (typeof code === "string" && /^[a-z][a-z-]*$/.test(code)) return { details: [], code, text };
  return { details: error.stack?.split("\n").slice(1) ?? [], code: "internal", text };
}
