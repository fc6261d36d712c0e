import { OfferedMap, type Demand, type OfferedService, type OfferOptions } from "@stanzapack/client";
import type { LevelOutboxStore } from "@stanzapack/client/store";
import { StanzapackError, type Value } from "@stanzapack/wire";
import { applyMapLine, mapLineOf, NO_ENTRY } from "../map/map-lines.js";
import { createAuthorize, prepareMembers } from "../offer/authorize-on-terminal.js";
import { runEvery } from "../offer/command-source.js";
import type { ConnectionOptions } from "../base/connection-options.js";
import { withClient } from "../base/with-client.js";
import { UsageError } from "../base/failure.js";
import { PacedPublisher } from "../offer/paced-publisher.js";
import { interruptible, untilAborted } from "../base/signals.js";
import { publishLines } from "../offer/stdin-source.js";
import { ValuePublisher } from "../offer/value-publisher.js";

export interface OfferCommandOptions extends ConnectionOptions {
  readonly kind: "value" | "log" | "map";
  readonly access: "open" | "whitelist" | "authorize";
  readonly compression: "shared" | "isolated";
  readonly durability?: "none" | "interval" | "sync";
  readonly maxItems?: number;
  /** In seconds. */
  readonly itemExpire?: number;
  readonly maxBytes?: number;
  readonly member?: readonly string[];
  readonly title?: string;
  readonly every?: number;
  readonly text?: true;
  readonly strictJson?: true;
  readonly onError: "skip" | "stop";
  readonly keep?: true;
  readonly store?: string;
}

export async function offer(
  name: string,
  words: readonly string[],
  options: OfferCommandOptions,
): Promise<void> {
  checkTogether(words, options);
  const offerOptions = toOfferOptions(options);
  await interruptible(async ({ signal }) => {
    const store = await openStore(options.store);
    try {
      const startOffline = store !== undefined;
      await withClient(
        options,
        { signal },
        async (client) => {
          client.on("offline", ({ text }) => tell(`link lost: ${text}; reconnecting`));
          client.on("online", ({ again }) => tell(again ? "the link is open again" : "the link is open"));
          const service = await client.offer(name, {
            ...offerOptions,
            ...(store === undefined ? {} : { store }),
          });
          service.on("delayed", ({ text }) => tell(`waiting: ${text}`));
          service.on("stale", ({ from, to }) =>
            tell(`the store is an older copy: it lacks updates ${from} to ${to}, which the component has`),
          );
          await publish(service, words, options, signal);
        },
        { startOffline },
      );
    } finally {
      await store?.close();
    }
  });
}

/** Opens the store. Imports its database only here, so that other commands do not load it. */
async function openStore(location: string | undefined): Promise<LevelOutboxStore | undefined> {
  if (location === undefined) return undefined;
  const { openOutboxStore } = await import("@stanzapack/client/store");
  return await openOutboxStore(location);
}

function checkTogether(words: readonly string[], options: OfferCommandOptions): void {
  const { every, access, member, keep, kind, store, text, strictJson } = options;
  if (text && kind === "map")
    throw new UsageError("`--text` cannot be used with --kind map: its lines are JSON");
  if (text && strictJson) throw new UsageError("`--text` and `--strict-json` cannot be used together");
  if (every === undefined && words.length > 0)
    throw new UsageError(`unexpected \`${words.join(" ")}\`: a command needs --every`);
  if (every !== undefined && words.length === 0)
    throw new UsageError("`--every` needs a command: --every 1s -- COMMAND ARGS");
  if (every !== undefined && keep) throw new UsageError("`--keep` is for values of stdin, not for --every");
  if (store !== undefined && kind !== "log") throw new UsageError("`--store` needs --kind log");
  if (kind === "value" && (options.maxItems !== undefined || options.maxBytes !== undefined))
    throw new UsageError("`--max-items` and `--max-bytes` need --kind log or --kind map");
  if (kind !== "log" && options.itemExpire !== undefined)
    throw new UsageError("`--item-expire` needs --kind log");
  if (member !== undefined && access === "open")
    throw new UsageError("`--member` needs --access whitelist or --access authorize");
}

/** Throws `UsageError` if a member is not a JID. */
function toOfferOptions(options: OfferCommandOptions): OfferOptions {
  const { kind, access, compression, durability, member, title, maxItems, itemExpire, maxBytes } = options;
  const members = prepareMembers(member ?? []);
  return {
    kind,
    compression,
    access,
    ...(access === "whitelist" && { members }),
    ...(access === "authorize" && { authorize: createAuthorize(members, tell) }),
    ...(durability === undefined ? {} : { durability }),
    ...(maxItems === undefined ? {} : { maxItems }),
    ...(itemExpire === undefined ? {} : { itemExpireSeconds: itemExpire }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(title === undefined ? {} : { title }),
  };
}

async function publish(
  service: OfferedService,
  words: readonly string[],
  options: OfferCommandOptions,
  signal: AbortSignal,
): Promise<void> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  signal.addEventListener("abort", end);
  const ended = new Promise<never>((_, reject) => service.on("ended", (error) => error && reject(error)));
  ended.catch(() => undefined);
  tell(`offering ${service.node}`);
  let told = "";
  const tellDemand = (): void => {
    const line = describeDemand(service.demand, options);
    if (line !== told) tell(line);
    told = line;
  };
  tellDemand();
  service.on("demand", tellDemand);
  const { text: asText = false, strictJson = false, onError } = options;
  const rules = { asText, strictJson, onError };
  const map = service instanceof OfferedMap ? (service as OfferedMap<Value>) : undefined;
  const publisher = new PacedPublisher(service, ending.signal, map && ((value) => changeMap(map, value)));
  const values = new ValuePublisher(publisher, map ? { ...rules, jsonOnly: NO_ENTRY.mend } : rules, tell);
  const source = async (): Promise<void> => {
    try {
      if (options.every === undefined) {
        await publishLines(values, ending.signal);
        values.summarize();
        if (options.keep && options.store !== undefined) {
          await service.saved();
          tell("end of the input: all values are saved in the store");
        }
        if (options.keep) await untilAborted(ending.signal);
      } else await runEvery(options.every, words, values, ending.signal);
    } finally {
      // Values from before a line that ends the command are sent too.
      await publisher.sent();
      values.summarize();
    }
  };
  try {
    await Promise.race([source(), ended]);
  } finally {
    end();
    // The next process with this store continues the service, so it is not withdrawn.
    if (options.store !== undefined && signal.aborted) await service.saved();
    else await withdraw(service, signal);
  }
  if (values.failure !== undefined) throw values.failure;
}

/** Throws `unencodable` for a value that is no line of a map, and as `OfferedMap.set`. */
function changeMap(map: OfferedMap<Value>, value: Value): void {
  const line = mapLineOf(value);
  if (line === undefined)
    throw new StanzapackError("unencodable", `${NO_ENTRY.what}; ${NO_ENTRY.mend}`, { scope: "update" });
  applyMapLine(map, line);
}

async function withdraw(service: OfferedService, signal: AbortSignal): Promise<void> {
  try {
    await service.stop();
  } catch (error) {
    if (!signal.aborted || !(error instanceof StanzapackError && error.retryable)) throw error;
    tell(`the service is not withdrawn, and stays offline for a while: ${error.text}`);
  }
}

/** Says who listens, and where values go while nobody does. A service with a store may have no link yet. */
function describeDemand({ subscribers, windowMs }: Demand, { kind, store }: OfferCommandOptions): string {
  if (windowMs === null && store !== undefined) return "no link yet: the store keeps the values";
  if (subscribers === 0 && kind === "log") return "nobody listens: the component keeps the values";
  if (subscribers === 0 && kind === "map") return "nobody listens: the component keeps the map";
  if (windowMs === null) return "nobody listens: nothing is sent";
  const who = subscribers === 1 ? "1 subscriber" : `${subscribers} subscribers`;
  return `${who}, smallest window ${windowMs} ms`;
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}
