/** A failure that another process of the demo reported, with that process's code. */
export class DemoError extends Error {
  override readonly name = "DemoError";

  constructor(
    readonly code: string,
    message: string,
    /** Lines to show first: the end of the other process's output. */
    readonly details: readonly string[] = [],
  ) {
    super(message);
  }
}

/** Writes a failure to stderr, with `stanzapack: CODE: text` as the last line. Returns the exit code. */
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
  // Only codes of our own packages, never a code of Node's errors (`ENOENT`).
  const code: unknown = "code" in error ? error.code : undefined;
  if (typeof code === "string" && /^[a-z][a-z-]*$/.test(code)) return { details: [], code, text };
  return { details: error.stack?.split("\n").slice(1) ?? [], code: "internal", text };
}
