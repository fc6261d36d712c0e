import type { XmppError } from "../base/errors.js";
import { callGuarded } from "../base/listeners.js";
import * as NS from "../base/namespaces.js";
import { preparedOrSame } from "../addresses/jid.js";
import type { IqHandlers } from "../stanzas/iq-handlers.js";
import type { IqRequests } from "../stanzas/iq-requests.js";
import { parseStreamError } from "../stanzas/stream-errors.js";
import type { EchoWindow } from "../stream/echo-window.js";
import type { ElementRoute } from "../stream/stream.js";
import type { StreamManagement } from "../stream/stream-management.js";
import type { Element } from "../xml/xml.js";
import type { StanzaHandler } from "./connection.js";

/** Longest id of a stanza for handlers, in characters. 1,024: answers repeat ids, and handlers keep them. */
const MAX_ID_CHARS = 1_024;

export interface InboundOptions {
  readonly requests: IqRequests;
  readonly iqHandlers: IqHandlers;
  readonly management: StreamManagement | undefined;
  readonly echo: EchoWindow | undefined;
  /** Number of the current or last XMPP session. */
  readonly session: () => number;
  readonly sendElement: (stanza: Element) => void;
  /** Sends one stanza that is given as text. */
  readonly send: (stanza: string) => void;
  /** Ends the stream. */
  readonly fail: (reason: XmppError) => void;
}

export interface Inbound {
  /** Receives the elements of a stream that is online. */
  readonly onElement: ElementRoute;
  /** Adds a handler of stanzas that are no iq answers. Returns a function that removes the handler. */
  readonly addHandler: (handler: StanzaHandler) => () => void;
}

/**
 * Passes each inbound element to its receiver: Stream Management, or the request that it answers, or the echo window.
 * Other stanzas are passed to the handlers in order of registration, and then to the handlers of iq requests.
 */
export function createInbound(options: InboundOptions): Inbound {
  const { requests, iqHandlers, management, echo } = options;
  const handlers = new Set<{ readonly handler: StanzaHandler }>();

  const answererOf =
    (ofSession: number) =>
    (answer: Element): void => {
      // The server of a later session never saw the request.
      if (ofSession === options.session()) options.sendElement(answer);
    };

  const onStanza = (stanza: Element, chars: number): void => {
    const type = stanza.attrs["type"] as string | undefined;
    if (stanza.name === "iq" && (type === "result" || type === "error")) {
      requests.onAnswer(stanza);
      return;
    }
    if (String(stanza.attrs["id"] ?? "").length > MAX_ID_CHARS) {
      if (stanza.name === "iq") iqHandlers.onLongId(stanza, options.send);
      return;
    }
    if (echo?.onStanza(stanza) === true) return;
    for (const { handler } of handlers) {
      if (callGuarded("a stanza handler", () => handler(stanza, chars)) === true) return;
    }
    if (stanza.name === "iq") iqHandlers.onRequest(stanza, answererOf(options.session()));
  };

  const onElement = (element: Element, chars: number): void => {
    const { name } = element;
    // RFC 6120 §4.8.3: an element of another namespace is no stanza, whatever its name.
    const { xmlns } = element.attrs as { xmlns?: string };
    const isContent = xmlns === undefined || xmlns === NS.CLIENT || xmlns === NS.COMPONENT;
    if (isContent && (name === "message" || name === "iq" || name === "presence")) {
      management?.onReceived();
      // ejabberd writes a sender's address as the sender wrote it at login.
      const { from } = element.attrs as { from?: string };
      if (from !== undefined) element.attrs["from"] = preparedOrSame(from);
      onStanza(element, chars);
      return;
    }
    if (management?.onNonza(element) === true) return;
    if (element.is("error", NS.STREAM)) options.fail(parseStreamError(element, "protocol"));
  };

  return {
    onElement,
    addHandler(handler) {
      const entry = { handler };
      handlers.add(entry);
      return () => void handlers.delete(entry);
    },
  };
}
