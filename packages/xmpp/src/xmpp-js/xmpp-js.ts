import type { EventEmitter } from "@xmpp/events";
import type { Element } from "../xml/xml.js";

/**
 * What we use of an xmpp.js entity, of `@xmpp/client` 0.14 and `@xmpp/component` 0.13 alike. Partly not in their
 * published types; each name here is one that an update of xmpp.js must be checked for.
 */
export interface XmppJsEntity extends EventEmitter {
  timeout: number;
  Parser: new () => unknown;
  readonly reconnect: { stop(): void };
  _attachSocket(socket: EventEmitter): void;
  _onData(data: string): void;
  _onElement(element: Element): void;
  /** Who the stream header says that we are. */
  jid: { bare(): { toString(): string } } | null;
  open(options: { domain: string }): Promise<unknown>;
  restart(): Promise<unknown>;
}

export interface XmppJsClient extends XmppJsEntity {
  Transport: unknown;
  _findTransport(service: string): unknown;
}

export interface XmppJsComponent extends XmppJsEntity {
  authenticate(id: string, secret: string): Promise<void>;
}
