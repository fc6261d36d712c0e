import type {
  CatalogEntry,
  CatalogHandlers,
  Claim,
  FollowedService,
  NodeChannel,
  NodeInfo,
  NodeStore,
  SeenNode,
} from "../../nodes/node-store.js";
import type { StoredRecord } from "../store.js";
import { CatalogFeed, decodeCatalogEntry, encodeCatalogEntry } from "./catalog-feed.js";
import type { Keys } from "./keys.js";
import { CHANGE, CLAIM, REMOVE, RENEW } from "./node-scripts.js";
import type { RedisServer, Reply, Send } from "./redis-link.js";
import type { Script } from "./script.js";
import { Subscriber } from "./subscriber.js";

/** After this time without renewal nobody hears of a node any more, in ms. An hour: operators see what is missing. */
const FORGOTTEN_MS = 3_600_000;
/** Changes of the catalogue that Redis keeps. A node that missed more reads the catalogue again. */
const MOST_CHANGES = 10_000;

export interface RedisNodesParts {
  readonly server: RedisServer;
  readonly keys: Keys;
  /** Sends a command once. Rejects with `RedisAway` or `store-failed`. */
  readonly send: Send;
  readonly isUp: () => boolean;
  readonly onDamaged: (text: string) => void;
  readonly follow: (node: string) => Promise<FollowedService | undefined>;
  readonly refresh: (node: string) => Promise<StoredRecord | undefined>;
}

/** What the nodes of a component share in Redis, beside what each service stores. */
export class RedisNodes implements NodeStore {
  readonly follow: (node: string) => Promise<FollowedService | undefined>;
  readonly refresh: (node: string) => Promise<StoredRecord | undefined>;
  private readonly subscriber: Subscriber;
  private readonly feeds = new Set<CatalogFeed>();

  constructor(private readonly parts: RedisNodesParts) {
    this.follow = parts.follow;
    this.refresh = parts.refresh;
    const { server, keys } = parts;
    this.subscriber = new Subscriber({
      ...{ server, prefix: keys.prefix },
      publish: (channel, message) => this.publish(channel, message),
    });
    this.subscriber.start();
  }

  async renew(domain: string, info: NodeInfo): Promise<readonly SeenNode[]> {
    const { times, infos } = this.parts.keys.nodes;
    const reply = await this.run(RENEW, [times, infos], [domain, JSON.stringify(info), String(FORGOTTEN_MS)]);
    return (reply as readonly (readonly Reply[])[]).flatMap(([name, age, text]) => {
      try {
        return [
          { ...(JSON.parse(String(text)) as NodeInfo), domain: String(name), ageMs: Number(String(age)) },
        ];
      } catch {
        return [];
      }
    });
  }

  async leave(domain: string): Promise<void> {
    const { times, infos } = this.parts.keys.nodes;
    await this.parts.send(["ZREM", times, domain]);
    await this.parts.send(["HDEL", infos, domain]);
  }

  async claim(
    node: string,
    expected: number | undefined,
    entry: Omit<CatalogEntry, "fence">,
  ): Promise<Claim> {
    const [outcome, value] = (await this.onCatalog(CLAIM, node, expected, entry)) as readonly Reply[];
    if (String(outcome) === "claimed") return { fence: Number(String(value)) };
    const text = String(value);
    return { entry: text === "" ? undefined : decodeCatalogEntry(text) };
  }

  async change(node: string, entry: CatalogEntry): Promise<boolean> {
    return Number(await this.onCatalog(CHANGE, node, entry.fence, entry)) === 1;
  }

  async remove(node: string, fence: number): Promise<void> {
    await this.onCatalog(REMOVE, node, fence, undefined);
  }

  private onCatalog(
    script: Script,
    node: string,
    fence: number | undefined,
    entry: Omit<CatalogEntry, "fence"> | undefined,
  ): Promise<Reply> {
    const { entries, changes, count } = this.parts.keys.nodes;
    const text = entry === undefined ? "" : encodeCatalogEntry(entry);
    return this.run(
      script,
      [entries, changes, count],
      [node, fence === undefined ? "" : String(fence), text, String(MOST_CHANGES)],
    );
  }

  private run(script: Script, keys: readonly string[], args: readonly string[]): Promise<Reply> {
    return this.parts.send(["EVALSHA", script.sha, String(keys.length), ...keys, ...args]);
  }

  watch(handlers: CatalogHandlers): { stop(): void } {
    const { server, keys, onDamaged } = this.parts;
    const feed = new CatalogFeed({ server, keys: keys.nodes, handlers, onDamaged });
    this.feeds.add(feed);
    return {
      stop: () => {
        this.feeds.delete(feed);
        void feed.stop();
      },
    };
  }

  listen(
    channel: NodeChannel,
    onMessage: (message: Uint8Array) => void,
    onGap: () => void,
  ): Promise<{ stop(): void }> {
    return this.subscriber.listen(this.nameOf(channel), onMessage, onGap);
  }

  tell(channel: NodeChannel, message: Uint8Array): void {
    this.publish(this.nameOf(channel), Buffer.from(message.buffer, message.byteOffset, message.length));
  }

  private publish(channel: string, message: Buffer): boolean {
    const { isUp, send } = this.parts;
    if (!isUp()) return false;
    // Whoever needs to know whether it arrived waits for an answer.
    send(["SPUBLISH", channel, message]).catch(() => undefined);
    return true;
  }

  private nameOf(channel: NodeChannel): string {
    const { keys } = this.parts;
    return "domain" in channel ? keys.toNode(channel.domain) : keys.live(channel.followersOf);
  }

  async stop(): Promise<void> {
    await Promise.all([this.subscriber.stop(), ...[...this.feeds].map((feed) => feed.stop())]);
  }
}
