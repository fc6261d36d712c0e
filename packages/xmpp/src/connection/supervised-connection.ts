import { monotonicNow } from "../base/clock.js";
import { createByteMeter, type SourcedByteMeter } from "../transports/byte-meter.js";
import type {
  Connection,
  ConnectionEvents,
  ConnectionLimits,
  ConnectionState,
  ConnectionTimeouts,
} from "./connection.js";
import { createInbound } from "./inbound.js";
import { aborted, backoffMs, sleep, type ReconnectPolicy } from "../base/timing.js";
import type { EchoHooks, EchoWindow } from "../stream/echo-window.js";
import { XmppError, type XmppErrorCode } from "../base/errors.js";
import { createIqHandlers } from "../stanzas/iq-handlers.js";
import { createIqRequests } from "../stanzas/iq-requests.js";
import { createListeners } from "../base/listeners.js";
import { assertStanzas, countElements } from "../xml/outbound-check.js";
import type { Established, Stream } from "../stream/stream.js";
import type { StreamManagement, StreamManagementHooks } from "../stream/stream-management.js";
import { childElements, type Element } from "../xml/xml.js";

export const DEFAULT_TIMEOUTS: ConnectionTimeouts = { onlineMs: 15_000, closeMs: 2_000 };
const DEFAULT_RECONNECT: ReconnectPolicy = { minMs: 500, maxMs: 10_000 };
export const DEFAULT_LIMITS: ConnectionLimits = { maxStanzaChars: 1_048_576, maxWaitingBytes: 1_048_576 };

export interface AttemptContext {
  readonly meter: SourcedByteMeter;
  /**
   * Call it with a stream as soon as there is one, so that the deadline and `stop` can end the stream. A later stream
   * replaces it. Resolves with the reason for the stream's end.
   */
  readonly own: (stream: Stream) => Promise<XmppError>;
  /** Call it when the stream is ready, before the next element is read. That element may be a stanza. */
  readonly establish: (established: Established) => void;
  readonly signal: AbortSignal;
}

export interface SupervisedOptions {
  readonly kind: "client" | "component";
  /** JID before the first stream: a component's domain. Empty for a client. */
  readonly jid: string;
  /** Faults that end the connection. After other faults it tries again. */
  readonly finalCodes: readonly XmppErrorCode[];
  /** Faults that end the connection before its first `online`, even with `retryStart`. */
  readonly finalAtFirst: readonly XmppErrorCode[];
  readonly retryStart: boolean;
  readonly timeouts: Partial<ConnectionTimeouts> | undefined;
  /** `false`: the end of the first stream or attempt ends the connection. */
  readonly reconnect: Partial<ReconnectPolicy> | false | undefined;
  readonly limits: Partial<ConnectionLimits> | undefined;
  /** Makes one attempt. Resolves with the reason for the end of its stream. Rejects when there was no stream. */
  readonly attempt: (context: AttemptContext) => Promise<XmppError>;
  readonly ownAddresses: (jid: string) => readonly string[];
  readonly streamManagement?: (hooks: StreamManagementHooks) => StreamManagement;
  readonly echoWindow?: (hooks: EchoHooks) => EchoWindow;
}

/** Keeps one connection alive over all its streams. Clients and components share this part. */
export function createSupervisedConnection(options: SupervisedOptions): Connection {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const policy = { ...DEFAULT_RECONNECT, ...(options.reconnect === false ? {} : options.reconnect) };
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const meter = createByteMeter();
  const events = createListeners<ConnectionEvents>();
  const life = new AbortController();

  let jid = options.jid;
  let state: ConnectionState = "idle";
  /** The stream that is online. */
  let stream: Stream | undefined;
  /** The stream that is being negotiated or online. */
  let owned: Stream | undefined;
  /** Namespaces of the features of the last logged-in stream. */
  let features: ReadonlySet<string> = new Set();
  let session = 0;
  let failures = 0;
  let onlineSince = 0;
  /** There was no room, so a caller may wait for `drain`. */
  let blocked = false;
  let started: Promise<void> | undefined;
  let stopped: Promise<void> | undefined;
  let running: Promise<void> = Promise.resolve();
  let ended = false;

  const requests = createIqRequests(() => options.ownAddresses(jid));
  const iqHandlers = createIqHandlers(() => jid);

  const management = options.streamManagement?.({
    write: (text) => stream?.write(text),
    onRoom: () => signalDrain(),
    onBroken: (message, condition) => {
      management?.reset();
      owned?.fail(new XmppError("protocol", message), condition);
    },
    onSilence: () => owned?.fail(new XmppError("timeout", "the server stopped answering")),
  });
  const echo = options.echoWindow?.({
    write: (text) => stream?.write(text),
    onRoom: () => signalDrain(),
  });
  const currentWindow = (): StreamManagement | EchoWindow | undefined =>
    management?.inUse === true ? management : echo;

  const roomNow = (): number => {
    if (stream === undefined) return 0;
    const room =
      stream.socket.waitingBytes <= limits.maxWaitingBytes ? (currentWindow()?.room ?? Infinity) : 0;
    blocked ||= room === 0;
    return room;
  };
  const hasRoom = (): boolean => roomNow() > 0;

  const signalDrain = (): void => {
    if (!blocked || !hasRoom()) return;
    blocked = false;
    events.emit("drain");
  };

  const send = (stanzas: string, count = 1, ready = false): boolean => {
    if (!ready) assertStanzas(stanzas, count);
    return write(stanzas, count);
  };

  const write = (stanzas: string, count: number): boolean => {
    if (stream === undefined) {
      if (count > 0) management?.keep(stanzas, count);
      return false;
    }
    const text = count === 0 ? stanzas : (currentWindow()?.outgoing(stanzas, count) ?? stanzas);
    if (text !== "") stream.socket.write(text);
    return hasRoom();
  };

  /** Keeps the session's features. A login's say nothing about it; a session resumed with its login sends none. */
  const noteFeatures = (): void => {
    const last = stream?.features;
    if (
      last === undefined ||
      last.getChild("mechanisms") !== undefined ||
      last.getChild("authentication") !== undefined
    )
      return;
    features = new Set(childElements(last).map((child) => child.getNS() ?? ""));
  };

  const sendElement = (stanza: Element): boolean => {
    // XEP-0114 §3: each stanza of a component has its sender.
    if (options.kind === "component") stanza.attrs["from"] ??= jid;
    const text = stanza.toString();
    const { elements, stanzas } = countElements(text);
    if (elements !== 1) throw new XmppError("invalid-xml", "the text to send is not one element");
    return write(text, stanzas);
  };

  const inbound = createInbound({
    ...{ requests, iqHandlers, management, echo, sendElement },
    send: (stanza) => void send(stanza),
    session: () => session,
    fail: (reason) => owned?.fail(reason),
  });

  const attempt = async (): Promise<XmppError> => {
    state = "connecting";
    const cancel = new AbortController();
    const abandon = (reason: XmppError): void => {
      cancel.abort(reason);
      owned?.fail(reason);
    };
    const deadline = setTimeout(() => {
      abandon(new XmppError("timeout", `not online within ${String(timeouts.onlineMs)} ms`));
    }, timeouts.onlineMs);
    const onLifeEnd = (): void => {
      abandon(life.signal.reason as XmppError);
    };
    life.signal.addEventListener("abort", onLifeEnd, { once: true });
    try {
      const over = options.attempt({
        meter,
        signal: cancel.signal,
        own: (fresh) => {
          owned = fresh;
          const stopCounting = meter.add(fresh.socket);
          const ended = new Promise<XmppError>((resolve) => {
            fresh.onEnd = (reason) => {
              stopCounting();
              resolve(reason);
            };
          });
          if (cancel.signal.aborted) fresh.fail(cancel.signal.reason as XmppError);
          return ended;
        },
        establish: (established) => {
          if (established.stream.ended) return;
          clearTimeout(deadline);
          goOnline(established);
        },
      });
      return await Promise.race([over, aborted(cancel.signal)]);
    } finally {
      clearTimeout(deadline);
      life.signal.removeEventListener("abort", onLifeEnd);
      owned?.fail(new XmppError("disconnected", "the attempt failed"));
      await owned?.released;
      owned = undefined;
    }
  };

  const goOnline = (established: Established): void => {
    if (!established.resumed) {
      session++;
      requests.rejectAll(new XmppError("disconnected", "the session was lost"));
    }
    stream = established.stream;
    stream.stage = "stream";
    stream.route = inbound.onElement;
    stream.socket.on("drain", signalDrain);
    jid = established.jid;
    state = "online";
    onlineSince = monotonicNow();
    blocked = false;
    if (established.first !== "") stream.write(established.first);
    events.emit("online", { jid, resumed: established.resumed });
  };

  const goOffline = (reason: XmppError): void => {
    const wasOnline = stream !== undefined;
    stream?.socket.off("drain", signalDrain);
    noteFeatures();
    stream = undefined;
    // A resumed session would send a stanza that breaks the rules again, for ever.
    if (reason.code === "protocol") management?.reset();
    management?.suspend();
    echo?.reset();
    if (management?.resumable !== true) {
      requests.rejectAll(new XmppError("disconnected", "the connection was lost", { cause: reason }));
    }
    if (!ended) state = "offline";
    if (!wasOnline) {
      failures++;
      return;
    }
    // The delay also grows when a server accepts the connection and ends it soon after.
    failures = monotonicNow() - onlineSince < policy.maxMs ? failures + 1 : 0;
    events.emit("offline", { reason });
  };

  const end = (reason: XmppError): void => {
    if (ended) return;
    ended = true;
    state = "stopped";
    life.abort(reason);
    management?.reset();
    requests.rejectAll(reason);
    events.emit("ended", reason);
  };

  const run = (onFirst: (error?: XmppError) => void): Promise<void> => {
    let first = true;
    const undoFirst = events.on("online", () => {
      undoFirst();
      first = false;
      onFirst();
    });
    const isFinal = (reason: XmppError): boolean =>
      options.reconnect === false ||
      options.finalCodes.includes(reason.code) ||
      (first && (!options.retryStart || options.finalAtFirst.includes(reason.code)));
    const live = async (): Promise<void> => {
      for (;;) {
        let reason: XmppError;
        try {
          reason = await attempt();
        } catch (error) {
          reason =
            error instanceof XmppError
              ? error
              : new XmppError("unreachable", String(error), { cause: error });
        }
        goOffline(reason);
        if (!isFinal(reason)) {
          const inMs = backoffMs(policy, Math.max(0, failures - 1), Math.random());
          events.emit("retrying", { reason, attempt: failures + 1, inMs });
          await sleep(inMs, life.signal);
        } else end(reason);
        if (life.signal.aborted) return;
      }
    };
    return live().then(() => {
      undoFirst();
      const reason = life.signal.reason as XmppError;
      end(reason);
      if (first) onFirst(reason);
    });
  };

  /** Waits until there is room again, so that held stanzas are written. Waits at most `closeMs`. */
  const heldWritten = async (): Promise<void> => {
    if (hasRoom()) return;
    const closing = new AbortController();
    const undo = events.on("drain", () => {
      closing.abort();
    });
    await sleep(timeouts.closeMs, AbortSignal.any([closing.signal, life.signal]));
    undo();
  };

  const stop = async (): Promise<void> => {
    const reason = new XmppError("stopped", "the connection was stopped");
    if (management?.holds === true) await heldWritten();
    const last = stream;
    if (last !== undefined) {
      // XEP-0198 §4: acknowledge the handled stanzas before the close.
      last.write(management?.acknowledgement() ?? "");
      echo?.reset();
      stream = undefined;
      state = "offline";
      await last.close(reason, timeouts.closeMs);
      events.emit("offline", { reason });
    }
    end(reason);
    await running;
  };

  return {
    kind: options.kind,
    get jid() {
      return jid;
    },
    get state() {
      return state;
    },
    get writable() {
      return hasRoom();
    },
    get room() {
      return roomNow();
    },
    get slow() {
      return currentWindow()?.slow === true;
    },
    get compressed() {
      return stream?.socket.compressed === true;
    },
    get transport() {
      return stream?.socket.kind;
    },
    meter,
    start({ signal } = {}) {
      if (started !== undefined) return started;
      if (ended) return Promise.reject(new XmppError("stopped", "the connection was stopped"));
      started = new Promise((resolve, reject) => {
        const onAbort = (): void => {
          end(new XmppError("aborted", "the start was aborted", { cause: signal?.reason }));
        };
        if (signal?.aborted === true) {
          onAbort();
          reject(life.signal.reason as XmppError);
          return;
        }
        signal?.addEventListener("abort", onAbort, { once: true });
        running = run((error) => {
          signal?.removeEventListener("abort", onAbort);
          if (error === undefined) resolve();
          else reject(error);
        });
      });
      return started;
    },
    stop: () => (stopped ??= stop()),
    send,
    sendElement,
    probe() {
      if (stream === undefined) return Promise.resolve(false);
      if (echo === undefined) return Promise.resolve(true);
      const { text, came } = echo.probe();
      stream.socket.write(text);
      return echo.echoes ? came : Promise.resolve(true);
    },
    get echoes() {
      return echo?.echoes === true;
    },
    pause: (forMs) => stream?.socket.pause?.(forMs) ?? false,
    request(iq, requestOptions = {}) {
      return requests.request(iq, requestOptions, (ready) => {
        if (stream === undefined) return false;
        sendElement(ready);
        return true;
      });
    },
    offers(ns) {
      noteFeatures();
      return features.has(ns);
    },
    onIq: (type, ns, name, handler) => iqHandlers.add(type, ns, name, handler),
    onOtherIq: (handler) => iqHandlers.addFallback(handler),
    onStanza: inbound.addHandler,
    on: (event, listener) => events.on(event, listener),
  };
}
