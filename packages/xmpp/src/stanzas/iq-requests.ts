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

/** The iqs we sent whose answers have not come (RFC 6120 §8.2.3). */
export interface IqRequests {
  /** `write` gets the iq with its id and sends it; false when that was impossible. */
  request(iq: Element, options: RequestOptions, write: (iq: Element) => boolean): Promise<Element>;
  /** Takes an iq of type `result` or `error`. */
  onAnswer(iq: Element): void;
  rejectAll(reason: XmppError): void;
}

/** `ownAddresses`: the addresses that mean the same as no `to`: own bare and full JID, and own server (RFC 6120 §8.1.2.1). */
export function createIqRequests(ownAddresses: () => readonly string[]): IqRequests {
  const pending = new Map<string, Pending>();
  // A guessed id would let anybody answer; the sender is checked as well.
  const prefix = randomText(3);
  let next = 0;

  const sameSender = (to: string | undefined, from: string | undefined): boolean => {
    if (to === from) return true;
    const own = ownAddresses();
    if (to === undefined || own.includes(to)) return from === undefined || own.includes(from);
    // A server may give back what was asked in another spelling.
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
