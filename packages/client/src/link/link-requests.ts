import {
  type CreditFrame,
  DEFAULT_LIMITS,
  isPattern,
  StanzapackError,
  type AnswerFrame,
  type ChangeFrame,
  type RequestFrame,
  type ResumeFrame,
  type SubscribeFrame,
} from "@stanzapack/wire";
import { deadline, monotonicNow, sleep } from "@stanzapack/xmpp";
import { withOwnNames } from "../base/own-names.js";

/** The parts of a link that its requests use. */
export interface RequestLink {
  readonly maxBlockBytes: number;
  sendFrame(frame: RequestFrame | CreditFrame): void;
}

/** A request without its number. */
export type Asked =
  Omit<SubscribeFrame, "request"> | Omit<ChangeFrame, "request"> | Omit<ResumeFrame, "request">;

/** Result of a request. Items that are not in `refused` were granted. */
export interface Outcome {
  readonly request: number;
  /** Refused items, by their index in the list of the request. */
  readonly refused: ReadonlyMap<number, StanzapackError>;
}

interface Waiting {
  readonly refused: Map<number, StanzapackError>;
  /** Error of a request that was refused as a whole. */
  refusal: StanzapackError | undefined;
  /** An answer arrived: the timeout begins again. */
  heard: () => void;
  settle: (error?: StanzapackError) => void;
}

/** Room in a block for the parts of a request that are no items of its list, in bytes. */
const HEAD_BYTES = 64;
/** Largest size of an alias in a list, in bytes. */
export const ALIAS_BYTES = 3;

/** Most requests of one link that wait for DONE. The component allows 16, and counts those too that timed out here. */
const MOST_OPEN = 4;

/** Requests by frame on one link, in the order of the calls. At most four wait for DONE. */
export class LinkRequests {
  private readonly waiting = new Map<number, Waiting>();
  private lastRequest = 0;
  private open = 0;
  /** Calls that wait until a request is done. */
  private readonly queue: (() => void)[] = [];
  private ended: StanzapackError | undefined;
  private readonly over = new AbortController();

  constructor(
    private readonly link: () => RequestLink,
    /** Longest time without an answer to a request, in ms. */
    private readonly timeoutMs: number,
    /** The component refused a service that a pattern found after its request was done. */
    private readonly onRefused: (request: number, error: StanzapackError) => void,
  ) {}

  /** Whether another request waits until one is done. */
  get isFull(): boolean {
    return this.open >= MOST_OPEN;
  }

  /** Takes the size of the options, in bytes. Returns the room for the items of one frame, in bytes. */
  room(options: number): number {
    return this.link().maxBlockBytes - HEAD_BYTES - options;
  }

  /**
   * Resolves when the component is done with the request. Rejects if it is refused as a whole, with `timeout`, or when
   * the link ends. After a refusal by `busy` with a pause, the request is sent again after the pause, within the
   * timeout.
   */
  async ask(asked: Asked): Promise<Outcome> {
    if (this.open < MOST_OPEN) this.open++;
    else await new Promise<void>((resolve) => this.queue.push(resolve));
    try {
      return await this.sendUntilTaken(asked);
    } finally {
      const next = this.queue.shift();
      if (next === undefined) this.open--;
      else next();
    }
  }

  private async sendUntilTaken(asked: Asked): Promise<Outcome> {
    const deadline = monotonicNow() + this.timeoutMs;
    for (;;) {
      try {
        return await this.send(asked);
      } catch (error) {
        const { code, retryAfterMs } = error as StanzapackError;
        if (code !== "busy" || retryAfterMs === undefined || monotonicNow() + retryAfterMs > deadline)
          throw error;
        await sleep(retryAfterMs, this.over.signal);
      }
    }
  }

  private send(asked: Asked): Promise<Outcome> {
    const request = ++this.lastRequest;
    const refused = new Map<number, StanzapackError>();
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) return reject(this.ended);
      let cancel: (() => void) | undefined;
      const late = (): void => {
        settle(new StanzapackError("timeout", `no answer from the component within ${this.timeoutMs} ms`));
        // The component may have its patterns nevertheless: end them.
        if (asked.type === "subscribe" && asked.nodes.some(isPattern))
          this.ask({ type: "change", aliases: [], patterns: [request], options: null }).catch(
            () => undefined,
          );
      };
      const heard = (): void => {
        cancel?.();
        cancel = deadline(this.timeoutMs, late);
      };
      const settle = (error?: StanzapackError): void => {
        cancel?.();
        this.waiting.delete(request);
        if (error === undefined) resolve({ request, refused });
        else reject(error);
      };
      this.waiting.set(request, { refused, refusal: undefined, heard, settle });
      heard();
      this.link().sendFrame({ ...asked, request });
    });
  }

  onAnswer(frame: AnswerFrame): void {
    const waiting = this.waiting.get(frame.request);
    waiting?.heard();
    if (frame.type === "done") return waiting?.settle(waiting.refusal);
    if (frame.type === "grant") return;
    const details = frame.retryAfterMs === null ? {} : { retryAfterMs: frame.retryAfterMs };
    const error = (text: string): StanzapackError =>
      new StanzapackError(frame.code, withOwnNames(text), {
        origin: "peer",
        scope: "subscription",
        ...details,
      });
    if (waiting === undefined) return this.onRefused(frame.request, error(frame.text));
    if (frame.targets.length === 0) waiting.refusal = error(frame.text);
    // The text is about the first item. For the others only the code is right.
    for (const [i, place] of frame.targets.entries())
      waiting.refused.set(place, error(i === 0 ? frame.text : "refused for the same reason as others"));
  }

  /** The link is gone. */
  fail(error: StanzapackError): void {
    this.ended = error;
    this.over.abort();
    for (const { settle } of this.waiting.values()) settle(error);
  }
}

/** Divides items into lists, one for each frame. `first`: the item is the first of its list. All in bytes. */
export function inFrames<T>(
  items: readonly T[],
  room: number,
  bytesOf: (item: T, first: boolean) => number,
): T[][] {
  const lists: T[][] = [];
  let left = 0;
  for (const item of items) {
    const bytes = bytesOf(item, false);
    const list = lists[lists.length - 1];
    if (list === undefined || bytes > left || list.length >= DEFAULT_LIMITS.maxTargetsPerFrame) {
      lists.push([item]);
      left = room - bytesOf(item, true);
    } else {
      list.push(item);
      left -= bytes;
    }
  }
  return lists;
}
