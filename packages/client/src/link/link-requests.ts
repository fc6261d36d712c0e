import {
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

/** What a request needs of its link. */
export interface RequestLink {
  readonly maxBlockBytes: number;
  sendFrame(frame: RequestFrame): void;
}

/** A request but for its number. */
export type Asked =
  Omit<SubscribeFrame, "request"> | Omit<ChangeFrame, "request"> | Omit<ResumeFrame, "request">;

/** What became of a request; those it does not name were granted. */
export interface Outcome {
  readonly request: number;
  /** By their place in the request's list. */
  readonly refused: ReadonlyMap<number, StanzapackError>;
}

interface Waiting {
  readonly refused: Map<number, StanzapackError>;
  /** It was refused as a whole. */
  refusal: StanzapackError | undefined;
  /** An answer came: it goes on. */
  heard: () => void;
  settle: (error?: StanzapackError) => void;
}

/** Room in a block for what is not a list's item, in bytes. */
const HEAD_BYTES = 64;

/** Requests by frame of one link: one at a time, each waited for until it is done. */
export class LinkRequests {
  private readonly waiting = new Map<number, Waiting>();
  private lastRequest = 0;
  private last: Promise<unknown> = Promise.resolve();
  private ended: StanzapackError | undefined;
  private readonly over = new AbortController();

  constructor(
    private readonly link: () => RequestLink,
    /** How long the component may be silent about one, in ms. */
    private readonly timeoutMs: number,
    /** A later service of a pattern could not be had. */
    private readonly onRefused: (request: number, error: StanzapackError) => void,
  ) {}

  /** Room for the items of one frame's list beside `options`, in bytes. */
  room(options: number): number {
    return this.link().maxBlockBytes - HEAD_BYTES - options;
  }

  /**
   * Resolves when it is done. Rejects when it is refused as a whole, with `timeout`, or with the link's end. Where it is told when to come
   * again, it does, within the timeout.
   */
  ask(asked: Asked): Promise<Outcome> {
    const outcome = this.last.then(() => this.sendInTurn(asked));
    this.last = outcome.catch(() => undefined);
    return outcome;
  }

  private async sendInTurn(asked: Asked): Promise<Outcome> {
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
        // Its patterns may stand there all the same.
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
    // The text is about the first; of the others the code says what there is to say.
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

/** Items in as many lists as frames need. `first`: it begins a list. */
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
