import { createInterface } from "node:readline/promises";

/** Asks a question of yes or no. Resolves to false for any answer but yes, at the end of the input, and on abort. */
export async function confirm(
  question: string,
  signal: AbortSignal,
  input: NodeJS.ReadableStream = process.stdin,
  output: NodeJS.WritableStream = process.stderr,
): Promise<boolean> {
  const lines = createInterface({ input, output });
  const ended = new AbortController();
  // Without this, the end of the input leaves the question open for ever.
  lines.once("close", () => ended.abort());
  try {
    const answer = await lines.question(question, { signal: AbortSignal.any([signal, ended.signal]) });
    return /^y(es)?$/i.test(answer.trim());
  } catch {
    return false;
  } finally {
    lines.close();
  }
}
