import { decodeMessage, encodeMessage, type NodeMessage } from "./messages.js";
import type { NodeStore } from "./node-store.js";

type Content<M> = M extends unknown ? Omit<M, "from"> : never;
export type OutgoingMessage = Content<NodeMessage>;
type Reply = Extract<NodeMessage, { type: "state" | "verified" }>;

/** Messages between this node and others, and the answers to questions. */
export class Mailbox {
  private readonly waiting = new Map<number, (reply: Reply | undefined) => void>();
  private nextRequest = 1;
  private listening: { stop(): void } | undefined;

  constructor(
    private readonly store: Pick<NodeStore, "listen" | "tell">,
    private readonly domain: string,
    private readonly onMessage: (message: Exclude<NodeMessage, Reply>) => void,
    private readonly onDamaged: (error: unknown) => void,
  ) {}

  async start(): Promise<void> {
    this.listening = await this.store.listen(
      { domain: this.domain },
      (bytes) => this.take(bytes),
      // What matters is said again.
      () => undefined,
    );
  }

  private take(bytes: Uint8Array): void {
    try {
      const message = decodeMessage(bytes);
      if (message.type !== "state" && message.type !== "verified") return this.onMessage(message);
      const resolve = this.waiting.get(message.request);
      this.waiting.delete(message.request);
      resolve?.(message);
    } catch (error) {
      this.onDamaged(error);
    }
  }

  tell(domain: string, message: OutgoingMessage): void {
    this.store.tell({ domain }, encodeMessage({ ...message, from: this.domain }));
  }

  /** Asks a node. Resolves to undefined if it has not answered within `ms`. */
  ask<T extends Reply["type"]>(
    domain: string,
    message: { readonly type: "ask" | "verify"; readonly node: string },
    _answer: T,
    ms: number,
  ): Promise<Extract<Reply, { type: T }> | undefined> {
    const request = this.nextRequest++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.waiting.delete(request);
        resolve(undefined);
      }, ms);
      this.waiting.set(request, (reply) => {
        clearTimeout(timer);
        resolve(reply as Extract<Reply, { type: T }> | undefined);
      });
      this.tell(domain, { ...message, request });
    });
  }

  stop(): void {
    this.listening?.stop();
    for (const resolve of this.waiting.values()) resolve(undefined);
    this.waiting.clear();
  }
}
