import type { Client, OfferedMap, SubscribeOptions, Subscription } from "@stanzapack/client";
import { SELECTION_BOUNDS, StanzapackError, type Value } from "@stanzapack/wire";
import type { ConnectionOptions } from "../base/connection-options.js";
import { endOfPrinting, interruptible, untilAborted } from "../base/signals.js";
import { withClient } from "../base/with-client.js";
import { startFileProgress } from "../estimate/file-progress.js";
import { parseJson } from "../input/json-numbers.js";
import { applyMapLine, readMapLines } from "../map/map-lines.js";
import { MapPrinter } from "../map/map-printer.js";
import { formatLine } from "../subscribe/row-output.js";

export interface GetOptions extends ConnectionOptions {
  readonly json?: true;
}

export interface WatchOptions extends ConnectionOptions {
  readonly window: number;
  readonly key?: readonly string[];
  readonly prefix?: string;
  readonly cursor?: string;
}

/** Most keys that a subscription to some keys names. */
const { maxKeys: MAX_KEYS } = SELECTION_BOUNDS;

export interface ImportOptions extends ConnectionOptions {
  readonly replace?: true;
}

interface Row {
  readonly key: string;
  readonly value: Value;
}

export async function get(node: string, keys: readonly string[], options: GetOptions): Promise<void> {
  const use = async ({ map }: Subscription): Promise<void> => {
    const known = keys.filter((key) => map.has(key));
    const rows =
      keys.length === 0 ? rowsOf(map) : known.map((key) => ({ key, value: map.get(key) as Value }));
    await print(options.json === true ? [formatArray(rows)] : rows.map(formatLine));
    const missing = keys.find((key) => !map.has(key));
    if (missing !== undefined)
      throw new StanzapackError("invalid-options", `\`${node}\` has no key \`${missing}\``);
  };
  await read(node, options, use, keys);
}

export async function exportMap(node: string, options: ConnectionOptions): Promise<void> {
  await read(node, options, ({ map }) => print(rowsOf(map).map(formatLine)));
}

export async function watch(node: string, options: WatchOptions): Promise<void> {
  await interruptible(async (interruption) => {
    const ending = endOfPrinting(interruption);
    await withClient(options, { signal: ending.signal }, async (client) => {
      const { window: windowMs, key: keys, prefix, cursor } = options;
      const subscription = await subscribeToMap(client, node, {
        ...{ windowMs, keys, prefix, cursor, manualCursor: cursor === undefined ? undefined : true },
      });
      const printer = new MapPrinter(
        process.stdout,
        subscription,
        cursor === undefined ? undefined : subscription,
      );
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
      for (const line of lines) applyMapLine(map, line);
    });
  });
}

/** Subscribes to all of a map, or to some keys, calls `use` once they are there, and ends. */
async function read(
  node: string,
  options: ConnectionOptions,
  use: (subscription: Subscription) => Promise<void>,
  keys: readonly string[] = [],
): Promise<void> {
  await interruptible(async (interruption) => {
    await withClient(options, interruption, async (client) => {
      const subscription = await subscribeToKeys(client, node, [...new Set(keys)]);
      await Promise.race([
        untilSynced(subscription),
        untilEnded(subscription),
        untilAborted(interruption.signal),
      ]);
      interruption.signal.throwIfAborted();
      await use(subscription);
      // The selection is then free for others of the account, also if this process is slow to end.
      await subscription.stop();
    });
  });
}

/** Subscribes to these keys alone, or to all of the map where that cannot be had. */
async function subscribeToKeys(client: Client, node: string, keys: readonly string[]): Promise<Subscription> {
  if (keys.length === 0 || keys.length > MAX_KEYS) return subscribeToMap(client, node);
  try {
    return await subscribeToMap(client, node, { keys });
  } catch (error) {
    // The account has as many selections as it may have, or XML cannot carry a key.
    if (!(error instanceof StanzapackError && ["limit-exceeded", "invalid-options"].includes(error.code)))
      throw error;
    return subscribeToMap(client, node);
  }
}

/** Throws `invalid-options` for a service of another kind. */
async function subscribeToMap(
  client: Client,
  node: string,
  options: SubscribeOptions<Value> = {},
): Promise<Subscription> {
  const subscription = await client.subscribe(node, options);
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
