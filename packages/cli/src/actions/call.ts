import { StanzapackError, type Client } from "@stanzapack/client";
import { MAX_WINDOW_MS, type Value } from "@stanzapack/wire";
import type { ConnectionOptions } from "../base/connection-options.js";
import { UsageError } from "../base/failure.js";
import { interruptible } from "../base/signals.js";
import { withClient } from "../base/with-client.js";
import { parseJson, shorten } from "../input/json-numbers.js";
import { formatLine } from "../subscribe/row-output.js";

export interface CallCommandOptions extends ConnectionOptions {
  readonly timeout: number;
  readonly json?: true;
}

export async function call(
  node: string,
  method: string,
  json: string | undefined,
  options: CallCommandOptions,
): Promise<void> {
  const args = readArguments(json);
  await interruptible(async ({ signal }) => {
    await withClient(options, { signal }, async (client) => {
      // The end of the client ends the call.
      const end = (): void => void client.close();
      signal.addEventListener("abort", end);
      const row = await callOnce(client, node, method, args, options.timeout);
      signal.removeEventListener("abort", end);
      process.stdout.write(formatLine(options.json ? [row] : row.result));
    });
  });
}

function readArguments(json: string | undefined): Value {
  if (json === undefined) return null;
  try {
    const { value, kept, rounded } = parseJson(json);
    if (kept !== undefined) warn(`${shorten(kept)} is sent as a string: a double cannot hold it`);
    if (rounded !== undefined) warn(`${shorten(rounded)} is rounded to a double`);
    return value;
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message : String(error);
    throw new UsageError(`the arguments are not JSON: ${why}. Write a string as '"text"'`);
  }
}

async function callOnce(
  client: Client,
  node: string,
  method: string,
  args: Value,
  timeoutMs: number,
): Promise<{ readonly node: string; readonly method: string; readonly result: Value; readonly ms: number }> {
  // The widest window: the command needs no values.
  const subscription = await client.subscribe(node, {
    ...{ windowMs: MAX_WINDOW_MS, maxQueued: 1 },
    onPending: () => process.stderr.write(`waiting for the publisher to approve ${node}\n`),
  });
  const from = performance.now();
  try {
    const result = await subscription.call(method, args, { timeoutMs });
    return { node: subscription.node, method, result, ms: Math.round(performance.now() - from) };
  } catch (error) {
    throw error instanceof StanzapackError ? printable(error) : error;
  }
}

/** The publisher wrote the text, so its control characters must not reach the terminal. */
function printable(error: StanzapackError): StanzapackError {
  const { code, text, message } = error;
  const clean = text.replace(/\p{C}/gu, "?");
  return new StanzapackError(code, clean, { mend: message.slice(text.length + 2), cause: error });
}

function warn(line: string): void {
  process.stderr.write(`warning: ${line}\n`);
}
