import { XmppError } from "../base/errors.js";
import { deadline } from "../base/hold-ups.js";
import { preparedOrSame } from "../addresses/jid.js";
import { randomText } from "../base/random.js";
import { parseStanzaError } from "./stanza-errors.js";
import type { Element } from "../xml/xml.js";

export interface RequestOptions {
  /** Deadline of the answer, in milliseconds. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;

interface Pending {
  readonly to: string | undefined;
  readonly settle: (answer: Element | Error) => void;
}

/** The iqs that we sent and that have no answer yet (RFC 6120 §8.2.3). */
export interface IqRequests {
  /**
   * Sends an iq, and resolves with its result. `write` sends the iq, which has its id by then. It returns false when it
   * cannot send. Rejects with `StanzaError` for an error answer, and with `XmppError` for every other failure.
   */
  request(iq: Element, options: RequestOptions, write: (iq: Element) => boolean): Promise<Element>;
  /** Receives an iq of type `result` or `error`. */
  onAnswer(iq: Element): void;
  rejectAll(reason: XmppError): void;
}

/**
 * `ownAddresses` are the addresses that mean the same as no `to`: our bare and full JID, and our server (RFC 6120
 * §8.1.2.1).
 */
export function createIqRequests(ownAddresses: () => readonly string[]): IqRequests {
  const pending = new Map<string, Pending>();
  // Random, so that nobody can answer by guessing the id. `sameSender` checks the sender as well.
  const prefix = randomText(3);
  let next = 0;

  const sameSender = (to: string | undefined, from: string | undefined): boolean => {
    if (to === from) return true;
    const own = ownAddresses();
    if (to === undefined || own.includes(to)) return from === undefined || own.includes(from);
    // A server may answer with another spelling of the address.
    return from !== undefined && preparedOrSame(to) === preparedOrSame(from);
  };

  return {
    request(iq, { timeoutMs = DEFAULT_TIMEOUT_MS, signal }, write) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(new XmppError("aborted", "the request was aborted", { cause: signal.reason }));
          return;
        }
        const id = `${prefix}${(next++).toString(36)}`;
        const settle = (answer: Element | Error): void => {
          cancel();
          signal?.removeEventListener("abort", onAbort);
          pending.delete(id);
          if (answer instanceof Error) reject(answer);
          else resolve(answer);
        };
        const onAbort = (): void => {
          settle(new XmppError("aborted", "the request was aborted", { cause: signal?.reason }));
        };
        const cancel = deadline(timeoutMs, () => {
          settle(new XmppError("timeout", `no answer to an iq within ${String(timeoutMs)} ms`));
        });
        signal?.addEventListener("abort", onAbort, { once: true });
        const to = iq.attrs["to"] as string | undefined;
        pending.set(id, { to, settle });
        iq.attrs["id"] = id;
        try {
          if (!write(iq)) settle(new XmppError("disconnected", "not connected"));
        } catch (error) {
          settle(error instanceof Error ? error : new Error(String(error)));
        }
      });
    },
    onAnswer(iq) {
      const request = pending.get(String(iq.attrs["id"]));
      if (request === undefined || !sameSender(request.to, iq.attrs["from"] as string | undefined)) return;
      request.settle(iq.attrs["type"] === "error" ? parseStanzaError(iq) : iq);
    },
    rejectAll(reason) {
      for (const { settle } of [...pending.values()]) settle(reason);
    },
  };
}
