import { monotonicNow } from "../base/clock.js";
import { XmppError, type XmppErrorCode } from "../base/errors.js";
import type { Service } from "../transports/service-url.js";
import { toXmppError } from "../stanzas/stream-errors.js";

/** Sources of a connection's services. */
export interface ServiceSource {
  /** Services that the user gave. When there are any, nothing is looked up. */
  readonly explicit: readonly Service[];
  readonly tcp: (signal: AbortSignal) => Promise<readonly Service[]>;
  readonly alternatives: (signal: AbortSignal) => Promise<readonly Service[]>;
}

/** One attempt to connect to one service. */
export interface Try {
  /** Resolves when the search keeps this attempt and tries no other service. Rejects with `XmppError`. */
  readonly opened: Promise<void>;
  abandon(reason: XmppError): void;
}

/** Number of addresses expected from the host-meta before it is known: a WebSocket and a BOSH one. */
const EXPECTED_ALTERNATIVES = 2;

/**
 * Tries a domain's services one after the other until one opens: the one that worked last, then TCP, WebSocket, BOSH.
 * Each has its share of `totalMs`. After its share it is abandoned, but only when there is another service to try.
 */
export function createServiceSearch(source: ServiceSource, totalMs: number) {
  let lastGood: Service | undefined;

  /** Yields each service with the number of services that may follow. */
  async function* services(signal: AbortSignal): AsyncGenerator<[Service, number], undefined> {
    const seen = new Set<string>();
    const fresh = (list: readonly Service[]): Service[] =>
      list.filter(({ url }) => !seen.has(url.href) && seen.add(url.href));
    const { explicit } = source;
    const isExplicit = explicit.length > 0;
    const afterTcp = isExplicit ? 0 : EXPECTED_ALTERNATIVES;
    if (lastGood !== undefined) {
      const others = isExplicit ? explicit.length - 1 : 1 + afterTcp;
      for (const service of fresh([lastGood])) yield [service, others];
    }
    const first = fresh(isExplicit ? explicit : await source.tcp(signal));
    for (const [index, service] of first.entries()) yield [service, first.length - 1 - index + afterTcp];
    if (isExplicit) return;
    const later = fresh(await source.alternatives(signal));
    for (const [index, service] of later.entries()) yield [service, later.length - 1 - index];
  }

  return {
    /** Makes the next searches try this service first. */
    remember(service: Service): void {
      lastGood = service;
    },

    /** Returns the attempt that opened. Rejects with `XmppError` when none did, or with the signal's reason. */
    async run<T extends Try>(begin: (service: Service) => T, signal: AbortSignal): Promise<T> {
      const endAt = monotonicNow() + totalMs;
      const failures: [Service, XmppError][] = [];
      const looking = new AbortController();
      const list = services(AbortSignal.any([signal, looking.signal]));
      try {
        let next = await list.next();
        while (next.done !== true) {
          const [service, more] = next.value;
          const current = begin(service);
          const settled = current.opened.then(
            () => "opened" as const,
            (error: unknown) => toXmppError(error, "connect"),
          );
          const share = more === 0 ? undefined : (endAt - monotonicNow()) / (more + 1);
          let outcome = await within(settled, share);
          if (outcome === undefined) {
            const another = list.next();
            another.catch(() => undefined);
            outcome = await Promise.race([
              settled,
              another.then(({ done }) => (done === true ? settled : undefined)),
            ]);
            next = outcome === undefined ? await another : next;
            if (outcome === undefined) {
              outcome = new XmppError("timeout", "no answer in time");
              current.abandon(outcome);
              failures.push([service, outcome]);
              continue;
            }
          }
          if (outcome === "opened") return current;
          if (signal.aborted) throw signal.reason;
          if (outcome.final) throw outcome;
          failures.push([service, outcome]);
          next = await list.next();
        }
      } finally {
        looking.abort();
      }
      throw summarize(failures);
    },
  };
}

/** Resolves with `undefined` when the promise takes longer than `ms`. */
async function within<T>(promise: Promise<T>, ms: number | undefined): Promise<T | undefined> {
  if (ms === undefined) return promise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(
      () => {
        resolve(undefined);
      },
      Math.max(0, ms),
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Codes by how much they tell about the cause; the most telling one first. */
const TELLING: readonly XmppErrorCode[] = ["tls", "protocol", "timeout", "disconnected", "unreachable"];

function summarize(failures: readonly (readonly [Service, XmppError])[]): XmppError {
  const errors = failures.map(([, error]) => error);
  const [only] = errors;
  if (only === undefined) return new XmppError("unreachable", "no address to connect to");
  if (errors.length === 1) return only;
  const code = TELLING.find((candidate) => errors.some((error) => error.code === candidate)) ?? only.code;
  const list = failures.map(([{ url }, { message }]) => `${url.protocol}//${url.host}: ${message}`);
  return new XmppError(code, `cannot reach the server (${list.join("; ")})`, {
    cause: new AggregateError(errors),
  });
}
