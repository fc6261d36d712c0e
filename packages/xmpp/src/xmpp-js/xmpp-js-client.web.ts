import { EventEmitter } from "@xmpp/events";
import * as NS from "../base/namespaces.js";
import { xml, type Element } from "../xml/xml.js";
import type { XmppJsEntity } from "./xmpp-js.js";

/**
 * As in `xmpp-js-client.node.ts`, without xmpp.js. A page would use only the stream header of xmpp.js's 8 kB. That
 * header is always the one of RFC 7395; `bosh/` receives it too.
 */
class FramedEntity extends EventEmitter implements XmppJsEntity {
  timeout = 0;
  Parser: XmppJsEntity["Parser"] = EventEmitter;
  readonly reconnect = { stop: () => undefined };
  jid: XmppJsEntity["jid"] = null;
  readonly #domain: string;
  #socket: Socket | undefined;
  #parser: EventEmitter | undefined;

  constructor(domain: string) {
    super();
    this.#domain = domain;
  }

  _attachSocket(socket: EventEmitter): void {
    this.#socket = socket as Socket;
    socket.on("data", (text: string) => {
      this._onData(text);
    });
  }

  _onData(_text: string): void {
    // Its stream puts its own in the place of this one, and of the next.
  }
  _onElement(_element: Element): void {
    // as above
  }

  open(): Promise<void> {
    this.#parser?.removeAllListeners();
    const parser = (this.#parser = new this.Parser() as EventEmitter);
    parser.on("element", (element: Element) => {
      this._onElement(element);
    });
    parser.on("end", () => this.emit("close"));
    const header = xml("open", { version: "1.0", xmlns: NS.FRAMING, to: this.#domain });
    // RFC 6120 §4.7.1: only a client whose connection is secure sends its address.
    if (this.#socket?.secure === true) header.attrs["from"] = this.jid?.bare().toString();
    this.#socket?.write(header.toString());
    return Promise.resolve();
  }

  restart(): Promise<void> {
    return this.open();
  }
}

type Socket = EventEmitter & { readonly secure: boolean; write(text: string): boolean };

export function createXmppJsClient(_service: string, domain: string): XmppJsEntity {
  return new FramedEntity(domain);
}
