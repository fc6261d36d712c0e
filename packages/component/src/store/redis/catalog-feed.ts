import { setTimeout as sleep } from "node:timers/promises";
import type { CatalogEntry, CatalogHandlers } from "../../nodes/node-store.js";
import type { NodeKeys } from "./keys.js";
import { RedisLink, type RedisServer, type Reply, type Send } from "./redis-link.js";

/** How long Redis waits for the next change, in ms. A dead connection shows after 5 s. */
const BLOCK_MS = 1_000;
/** Changes that one step reads, and entries. */
const STEP = 500;
/** Pause after a failure, in ms. The connection comes back by itself. */
const PAUSE_MS = 100;

export interface FeedParts {
  readonly server: RedisServer;
  readonly keys: NodeKeys;
  readonly handlers: CatalogHandlers;
  /** Called when an entry cannot be read. */
  readonly onDamaged: (text: string) => void;
}

/** Reads the catalogue, and then its changes, on a connection of its own. */
export class CatalogFeed {
  private readonly link: RedisLink;
  private stopped = false;
  private readonly running: Promise<void>;

  constructor(private readonly parts: FeedParts) {
    this.link = new RedisLink(parts.server, {
      check: () => Promise.resolve(),
      onUp: () => undefined,
      onDown: () => undefined,
    });
    this.link.start();
    this.running = this.run();
  }

  private async run(): Promise<void> {
    let last: number | undefined;
    while (!this.stopped) {
      try {
        last = last === undefined ? await this.whole() : await this.changes(last);
      } catch {
        await sleep(PAUSE_MS);
      }
    }
  }

  /** Reads everything. Returns the number of the last change that is in it. */
  private async whole(): Promise<number> {
    const { keys, handlers } = this.parts;
    const { send } = this.link;
    // Changes that come meanwhile are read again behind it, which does no harm.
    const last = Number(String((await send(["GET", keys.count])) ?? "0"));
    const entries = await this.entries(send);
    if (!this.stopped) handlers.onWhole(entries);
    return last;
  }

  private async entries(send: Send): Promise<Map<string, CatalogEntry>> {
    const entries = new Map<string, CatalogEntry>();
    let cursor = "0";
    do {
      const reply = await send(["HSCAN", this.parts.keys.entries, cursor, "COUNT", String(STEP)]);
      const [next, list] = reply as readonly [Reply, readonly Buffer[]];
      for (let i = 0; i + 1 < list.length; i += 2) {
        const entry = this.decode(String(list[i]), String(list[i + 1]));
        if (entry !== undefined) entries.set(String(list[i]), entry);
      }
      cursor = String(next);
    } while (cursor !== "0");
    return entries;
  }

  /** Waits for changes after `last`. Returns the number of the last one. Undefined: some are lost. */
  private async changes(last: number): Promise<number | undefined> {
    const { keys, handlers } = this.parts;
    const { send } = this.link;
    const reply = (await send([
      ...["XREAD", "BLOCK", String(BLOCK_MS), "COUNT", String(STEP)],
      ...["STREAMS", keys.changes, `${last}-0`],
    ])) as readonly [readonly [Reply, readonly (readonly [Buffer, readonly Buffer[]])[]]] | null;
    // Redis has fewer changes than it had: another one is the primary now.
    if (reply === null) {
      const count = Number(String((await send(["GET", keys.count])) ?? "0"));
      return count < last ? undefined : last;
    }
    for (const [id, fields] of reply[0][1]) {
      const n = Number.parseInt(String(id), 10);
      if (n !== last + 1) return undefined;
      last = n;
      const [node, text] = [String(fields[1]), String(fields[3])];
      if (this.stopped) break;
      handlers.onChange(node, text === "" ? undefined : this.decode(node, text));
    }
    return last;
  }

  private decode(node: string, text: string): CatalogEntry | undefined {
    try {
      return decodeCatalogEntry(text);
    } catch (error) {
      this.parts.onDamaged(`the catalogue's entry of ${node} is damaged: ${(error as Error).message}`);
      return undefined;
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.link.close();
    await this.running;
  }
}

/** Layout: the fencing token, a space, and the other fields as JSON. */
export function decodeCatalogEntry(text: string): CatalogEntry {
  const space = text.indexOf(" ");
  const fence = Number(text.slice(0, space));
  const fields = JSON.parse(text.slice(space + 1)) as Omit<CatalogEntry, "fence">;
  if (!Number.isSafeInteger(fence) || typeof fields.domain !== "string")
    throw new Error("fields are missing");
  return { ...fields, fence };
}

export function encodeCatalogEntry(entry: Omit<CatalogEntry, "fence">): string {
  return JSON.stringify({ ...entry, fence: undefined });
}
