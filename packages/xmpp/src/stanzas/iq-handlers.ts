import { StanzaError } from "../base/errors.js";
import { isThenable } from "../base/listeners.js";
import * as NS from "../base/namespaces.js";
import { formatStanzaError } from "./stanza-errors.js";
import { warn } from "../base/warn.node.js";
import { childElements, xml, type Element } from "../xml/xml.js";

/**
 * Returns the child of an iq's result, or undefined for an empty result. Throws `StanzaError` to answer with an error.
 */
export type IqHandler = (request: {
  readonly from: string;
  readonly to: string;
  readonly id: string;
  readonly type: "get" | "set";
  readonly child: Element;
}) => Element | undefined | Promise<Element | undefined>;

/**
 * Longest id that an answer repeats, in bytes of its escaped form. 262,144: half of the largest stanza that Prosody,
 * the stricter server, accepts from a component. It is also the largest stanza that Prosody and ejabberd accept from a
 * client.
 */
const MAX_ANSWERED_ID_BYTES = 262_144;
const INTERNAL = new StanzaError("internal-server-error", "wait");

/** The handlers of inbound iqs of type get and set; each iq gets exactly one answer (RFC 6120 §8.2.3). */
export interface IqHandlers {
  add(type: "get" | "set", ns: string, name: string, handler: IqHandler): () => void;
  /** Adds the one handler of all iqs that have no other handler. Returns a function that removes it. */
  addFallback(handler: IqHandler): () => void;
  /** Calls `answer` once. It does so at once when the handler returns no promise, so that stanzas stay in order. */
  onRequest(iq: Element, answer: (iq: Element) => void): void;
  /**
   * Answers an iq whose id is too long for handlers by `policy-violation`. Drops an iq whose id is too long to repeat.
   */
  onLongId(iq: Element, send: (text: string) => void): void;
}

/** `ownJid` replaces a missing `to` or `from`. Pings (XEP-0199) are answered unless a handler is added for them. */
export function createIqHandlers(ownJid: () => string): IqHandlers {
  const handlers = new Map<string, IqHandler>();
  let fallback: IqHandler | undefined;
  const keyOf = (type: string, ns: string, name: string): string => `${type} ${name} ${ns}`;
  const pingKey = keyOf("get", NS.PING, "ping");

  return {
    add(type, ns, name, handler) {
      const key = keyOf(type, ns, name);
      if (handlers.has(key)) throw new Error(`iq ${key} has a handler already`);
      handlers.set(key, handler);
      return () => {
        if (handlers.get(key) === handler) handlers.delete(key);
      };
    },
    addFallback(handler) {
      if (fallback !== undefined) throw new Error("there is a handler for all other iqs already");
      fallback = handler;
      return () => {
        if (fallback === handler) fallback = undefined;
      };
    },
    onLongId(iq, send) {
      const { id = "", type, to = ownJid(), from } = iq.attrs as Record<string, string | undefined>;
      if (type === "result" || type === "error") return;
      const written = quoteShortly(id);
      // Servers end the stream of a component that sends too large a stanza.
      if (new TextEncoder().encode(written).length > MAX_ANSWERED_ID_BYTES) return;
      const error = new StanzaError("policy-violation", "modify", "an id has at most 1024 characters");
      const addresses = xml("iq", { type: "error", to: from, from: to }).toString().slice(0, -"/>".length);
      send(`${addresses} id=${written}>${formatStanzaError(error).toString()}</iq>`);
    },
    onRequest(iq, answer) {
      const attrs = iq.attrs as Record<string, string | undefined>;
      const { reply, refuse } = replierTo(iq, answer);
      const [child, second] = childElements(iq);
      const { id, type } = attrs;
      if (
        child === undefined ||
        second !== undefined ||
        id === undefined ||
        (type !== "get" && type !== "set")
      ) {
        refuse(new StanzaError("bad-request", "modify"));
        return;
      }
      const key = keyOf(type, child.getNS() ?? "", child.getName());
      const handler = handlers.get(key) ?? (key === pingKey ? undefined : fallback);
      if (handler === undefined) {
        if (key === pingKey) reply("result");
        else refuse(new StanzaError("service-unavailable", "cancel"));
        return;
      }
      try {
        const result = handler({
          from: attrs["from"] ?? ownJid(),
          to: attrs["to"] ?? ownJid(),
          id,
          type,
          child,
        });
        if (isThenable(result)) {
          Promise.resolve(result)
            .then((element) => {
              reply("result", element);
            })
            .catch(refuse);
        } else {
          reply("result", result);
        }
      } catch (error) {
        refuse(error);
      }
    },
  };
}

/**
 * Quotes an attribute's value with the quote that needs fewer escapes. So the result is as short as the client's form.
 */
function quoteShortly(value: string): string {
  const [quote, entity] =
    value.split('"').length <= value.split("'").length ? ['"', "&quot;"] : ["'", "&apos;"];
  const escaped = value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(quote, entity);
  return quote + escaped + quote;
}

interface Replier {
  /** Throws when a child cannot be written. */
  readonly reply: (type: "result" | "error", ...children: (Element | undefined)[]) => void;
  /** Never throws. */
  readonly refuse: (error: unknown) => void;
}

function replierTo(iq: Element, answer: (iq: Element) => void): Replier {
  const { from, to, id } = iq.attrs as Record<string, string | undefined>;
  const reply: Replier["reply"] = (type, ...children) => {
    const answerIq = xml("iq", { type, to: from, from: to, id });
    for (const child of children) if (child !== undefined) answerIq.append(child);
    answer(answerIq);
  };
  const refuse = (error: unknown): void => {
    try {
      const fault = toStanzaError(error);
      reply("error", fault.payload, formatStanzaError(fault));
    } catch (fault) {
      // XML cannot carry the error's text, its payload or its application condition.
      warn("an iq handler's error could not be sent", fault);
      reply("error", formatStanzaError(INTERNAL));
    }
  };
  return { reply, refuse };
}

/**
 * Any error but a `StanzaError` becomes `internal-server-error` without details, since it is not meant for the peer.
 */
function toStanzaError(error: unknown): StanzaError {
  if (error instanceof StanzaError) return error;
  warn("an iq handler failed", error);
  return INTERNAL;
}
