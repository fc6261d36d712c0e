import type { Client, OfferedMap, Subscription } from "@stanzapack/client";
import type { Random } from "../base/random.js";
import { differenceOf, MapLoad, type Entry } from "./map-load.js";
import type { LogDurability } from "./stage.js";

/** Most findings of one map. Further findings mostly follow from the first one. */
const MAX_FINDINGS = 5;
/** Keys of the copy of a part of the map: every second key. */
export const PREFIX = "key/1";
/** Longest time for a check of a copy, in ms. It waits for a window, and for the link. */
const VERIFY_MS = 30_000;

/** One subscriber's copy of a map, or of the part whose keys begin with `prefix`. */
export class MapCopy {
  constructor(
    private readonly name: string,
    private readonly subscription: Subscription<Entry>,
    private readonly prefix: string,
    private readonly fault: (text: string) => void,
  ) {
    const followed = new Map<string, Entry>();
    subscription.on("change", ({ key, value, previous }) => {
      if (followed.get(key)?.n !== previous?.n) fault(`${name}: \`${key}\` changed from what it was not`);
      if (value === undefined) followed.delete(key);
      else followed.set(key, value);
      const [left, right] = [subscription.map.get("left"), subscription.map.get("right")];
      if (left?.n !== right?.n) fault(`${name}: it has half of a batch: ${left?.n} and ${right?.n}`);
    });
    subscription.on("repaired", ({ keys }) => fault(`${name}: ${keys} keys differed, and were repaired`));
    subscription.on("ended", (error) => {
      if (error !== undefined && error.code !== "withdrawn") fault(`${name}: it ended: ${error.message}`);
    });
  }

  isSame(model: ReadonlyMap<string, Entry>): boolean {
    const { subscription, prefix } = this;
    return subscription.synced && differenceOf(model, subscription.map, prefix) === undefined;
  }

  /** What the copy has, for findings. */
  standing(model: ReadonlyMap<string, Entry>): string {
    const { status, synced, map } = this.subscription;
    const difference = differenceOf(model, map, this.prefix) ?? "equal";
    return `${this.name}: ${status}${synced ? "" : ", not synced"}, ${difference}`;
  }

  /** Compares the copy with the component's map. It is the publisher's map already, so nothing may differ. */
  async verify(): Promise<void> {
    const { name, subscription, fault } = this;
    const wrong = findingOf(await verified(subscription), subscription.map.size);
    if (wrong !== undefined) fault(`${name}: ${wrong}`);
  }
}

/** What `verify` returned, or why it failed. */
export type Verified = { readonly keys: number; readonly repaired: number } | string;

/** Says what is wrong with the result of a check of a copy with this many keys. */
export function findingOf(result: Verified, keys: number): string | undefined {
  if (typeof result === "string") return `\`verify\` failed: ${result}`;
  if (result.repaired === 0 && result.keys === keys) return undefined;
  return `expected that \`verify\` finds ${keys} equal keys, but it found ${result.keys} and repaired ${result.repaired}`;
}

/** Checks a copy. */
export async function verified(subscription: Subscription<Entry>): Promise<Verified> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no result within ${VERIFY_MS} ms`), VERIFY_MS);
  });
  try {
    return await Promise.race([subscription.verify(), late]);
  } catch (error) {
    return (error as Error).message;
  } finally {
    clearTimeout(timer);
  }
}

/** A map that changes all the time, and subscribers whose copies must follow it. The second has a part of it. */
export class MapWatch {
  readonly findings: string[] = [];
  private readonly load: MapLoad;
  private readonly copies: readonly MapCopy[];

  private constructor(
    readonly offered: OfferedMap<Entry>,
    subscriptions: readonly Subscription<Entry>[],
    random: Random,
  ) {
    this.load = new MapLoad(offered, random);
    const fault = (text: string): void => {
      if (this.findings.length < MAX_FINDINGS) this.findings.push(text);
    };
    this.copies = subscriptions.map((it, i) => new MapCopy(`map copy ${i + 1}`, it, prefixOf(i), fault));
    offered.on("ended", (error) => error && fault(`the map ended: ${error.message}`));
  }

  static async start(
    publisher: Client,
    subscribers: readonly Client[],
    name: string,
    random: Random,
    durability: LogDurability,
  ): Promise<MapWatch> {
    const offered = await publisher.offer<Entry>(name, { kind: "map", durability });
    const copies = await Promise.all(
      subscribers.map((client, i) =>
        client.subscribe<Entry>(offered.node, { windowMs: i * 100, prefix: prefixOf(i) || null }),
      ),
    );
    return new MapWatch(offered, copies, random);
  }

  begin(): void {
    this.load.begin();
  }

  stop(): void {
    this.load.stop();
  }

  /** Whether each copy is the map. */
  get settled(): boolean {
    return this.copies.every((copy) => copy.isSame(this.load.model));
  }

  /** What differs, for findings. */
  get standing(): string {
    return this.copies.map((copy) => copy.standing(this.load.model)).join("; ");
  }

  /** Checks every copy. */
  async verify(): Promise<void> {
    await Promise.all(this.copies.map((copy) => copy.verify()));
  }
}

function prefixOf(index: number): string {
  return index === 1 ? PREFIX : "";
}
