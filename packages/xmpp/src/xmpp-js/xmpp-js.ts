import type { EventEmitter } from "@xmpp/events";
import type { Element } from "../xml/xml.js";

/**
 * The parts of an xmpp.js entity that this package uses, in `@xmpp/client` 0.14 and in `@xmpp/component` 0.13. Their
 * published types lack some of them. After an update of xmpp.js, check that each name here still exists.
 */
export interface XmppJsEntity extends EventEmitter {
  timeout: number;
  Parser: new () => unknown;
  readonly reconnect: { stop(): void };
  _attachSocket(socket: EventEmitter): void;
  _onData(data: string): void;
  _onElement(element: Element): void;
  /** Our address in the stream header. */
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
