import type { Client, OfferedMap, Subscription } from "@stanzapack/client";
import { StanzapackError, type Value } from "@stanzapack/wire";
import type { ConnectionOptions } from "../base/connection-options.js";
import { endOfPrinting, interruptible, untilAborted } from "../base/signals.js";
import { withClient } from "../base/with-client.js";
import { startFileProgress } from "../estimate/file-progress.js";
import { parseJson } from "../input/json-numbers.js";
import { readMapLines } from "../map/map-lines.js";
import { MapPrinter } from "../map/map-printer.js";
import { formatLine } from "../subscribe/row-output.js";

export interface GetOptions extends ConnectionOptions {
  readonly json?: true;
}

export interface WatchOptions extends ConnectionOptions {
  readonly window: number;
}

export interface ImportOptions extends ConnectionOptions {
  readonly replace?: true;
}

interface Row {
  readonly key: string;
  readonly value: Value;
}

export async function get(node: string, keys: readonly string[], options: GetOptions): Promise<void> {
  await read(node, options, async ({ map }) => {
    const known = keys.filter((key) => map.has(key));
    const rows =
      keys.length === 0 ? rowsOf(map) : known.map((key) => ({ key, value: map.get(key) as Value }));
    await print(options.json === true ? [formatArray(rows)] : rows.map(formatLine));
    const missing = keys.find((key) => !map.has(key));
    if (missing !== undefined)
      throw new StanzapackError("invalid-options", `\`${node}\` has no key \`${missing}\``);
  });
}

export async function exportMap(node: string, options: ConnectionOptions): Promise<void> {
  await read(node, options, ({ map }) => print(rowsOf(map).map(formatLine)));
}

export async function watch(node: string, options: WatchOptions): Promise<void> {
  await interruptible(async (interruption) => {
    const ending = endOfPrinting(interruption);
    await withClient(options, { signal: ending.signal }, async (client) => {
      const subscription = await subscribeToMap(client, node, options.window);
      const printer = new MapPrinter(process.stdout, subscription);
      try {
        await Promise.race([untilAborted(ending.signal), untilEnded(subscription)]);
      } finally {
        await printer.end();
      }
    });
  });
}

export async function set(
  name: string,
  key: string,
  text: string,
  options: ConnectionOptions,
): Promise<void> {
  await change(name, options, (map) => map.set(key, valueOf(text)));
}

export async function remove(
  name: string,
  keys: readonly string[],
  options: ConnectionOptions,
): Promise<void> {
  await change(name, options, (map) => map.batch(() => keys.forEach((key) => map.delete(key))));
}

export async function importMap(name: string, options: ImportOptions): Promise<void> {
  await change(name, options, async (map, signal) => {
    const lines = await readMapLines(signal);
    map.batch(() => {
      if (options.replace === true) map.clear();
      for (const { key, value } of lines)
        if (value === undefined) map.delete(key);
        else map.set(key, value);
    });
  });
}

/** Subscribes, calls `use` once the whole map is there, and ends. */
async function read(
  node: string,
  options: ConnectionOptions,
  use: (subscription: Subscription) => Promise<void>,
): Promise<void> {
  await interruptible(async (interruption) => {
    await withClient(options, interruption, async (client) => {
      const subscription = await subscribeToMap(client, node, 0);
      await Promise.race([
        untilSynced(subscription),
        untilEnded(subscription),
        untilAborted(interruption.signal),
      ]);
      interruption.signal.throwIfAborted();
      await use(subscription);
    });
  });
}

/** Throws `invalid-options` for a service of another kind. */
async function subscribeToMap(client: Client, node: string, windowMs: number): Promise<Subscription> {
  const subscription = await client.subscribe(node, { windowMs });
  if (subscription.kind === "map") return subscription;
  throw new StanzapackError(
    "invalid-options",
    `\`${node}\` is of kind ${subscription.kind ?? "unknown"}, and no map: use \`stanzapack subscribe\``,
  );
}

/** Shows on a terminal how much of the map is there. */
async function untilSynced(subscription: Subscription): Promise<void> {
  let progress: ReturnType<typeof startFileProgress> | undefined;
  const show = ({ received, left }: { readonly received: number; readonly left: number }): void => {
    progress ??= startFileProgress(received + left);
    progress.update(received);
  };
  subscription.on("syncing", show);
  if (!subscription.synced) await new Promise<void>((resolve) => subscription.once("synced", resolve));
  subscription.off("syncing", show);
  progress?.stop();
}

/** Rejects with the error that ends the subscription. */
function untilEnded(subscription: Subscription): Promise<never> {
  return new Promise<never>((_, reject) => subscription.once("ended", (error) => error && reject(error)));
}

/** Offers the map, makes the change, and ends when the component keeps it. */
async function change(
  name: string,
  options: ConnectionOptions,
  make: (map: OfferedMap<Value>, signal: AbortSignal) => void | Promise<void>,
): Promise<void> {
  await interruptible(async (interruption) => {
    await withClient(options, interruption, async (client) => {
      const map = await client.offer<Value>(name, { kind: "map" });
      await make(map, interruption.signal);
      await Promise.race([map.settled(), untilAborted(interruption.signal)]);
    });
  });
}

function rowsOf(map: ReadonlyMap<string, Value>): Row[] {
  const rows = [...map].map(([key, value]) => ({ key, value }));
  return rows.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function formatArray(rows: readonly Row[]): string {
  return `[${rows.map((row) => formatLine(row).trimEnd()).join(",\n")}]\n`;
}

/** Resolves when the reader of stdout has taken the lines. */
async function print(lines: readonly string[]): Promise<void> {
  await new Promise<void>((resolve) => process.stdout.write(lines.join(""), () => resolve()));
}

/** JSON, or any other text as a string. */
function valueOf(text: string): Value {
  try {
    return parseJson(text).value;
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}
