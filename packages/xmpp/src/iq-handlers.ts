import type { IqHandler } from "./connection.js";
import { StanzaError } from "./errors.js";
import * as NS from "./namespaces.js";
import { formatStanzaError } from "./stanza-errors.js";
import { warn } from "./warn.node.js";
import { childElements, xml, type Element } from "./xml.js";

/** The handlers of inbound iqs of type get and set; each iq gets exactly one answer (RFC 6120 §8.2.3). */
export interface IqHandlers {
  add(type: "get" | "set", ns: string, name: string, handler: IqHandler): () => void;
  /** The one handler of whatever no other takes. Returns the undo. */
  addFallback(handler: IqHandler): () => void;
  /** Answers at once when the handler does, so that the answer keeps its place among other stanzas. */
  onRequest(iq: Element, answer: (iq: Element) => void): void;
}

/** `ownJid` stands in for a missing `to` or `from`. Pings (XEP-0199) are answered unless somebody else does. */
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
    onRequest(iq, answer) {
      const attrs = iq.attrs as Record<string, string | undefined>;
      const reply = (type: "result" | "error", ...children: (Element | undefined)[]): void => {
        const answerIq = xml("iq", { type, to: attrs["from"], from: attrs["to"], id: attrs["id"] });
        for (const child of children) if (child !== undefined) answerIq.append(child);
        answer(answerIq);
      };
      const refuse = (error: unknown): void => {
        const fault = toStanzaError(error);
        reply("error", fault.payload, formatStanzaError(fault));
      };
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
        if (result instanceof Promise) {
          result.then((element) => {
            reply("result", element);
          }, refuse);
        } else {
          reply("result", result);
        }
      } catch (error) {
        refuse(error);
      }
    },
  };
}

/** Anything that is not meant for the peer becomes `internal-server-error`, without details. */
function toStanzaError(error: unknown): StanzaError {
  if (error instanceof StanzaError) return error;
  warn("an iq handler failed", error);
  return new StanzaError("internal-server-error", "wait");
}
