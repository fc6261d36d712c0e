import {
  createHello,
  decodeBlock,
  DEFAULT_LIMITS,
  encodeFrame,
  type Frame,
  type HelloFrame,
} from "@stanzapack/wire";
import {
  createInBandBytestreams,
  encodeBase64,
  NS,
  xml,
  type Bytestream,
  type BytestreamEnd,
  type Connection,
  type Element,
  type InBandBytestreams,
} from "@stanzapack/xmpp";

/** A link by hand. It sends any frame and answers nothing by itself, as no SDK would. */
export interface RawLink {
  readonly stream: Bytestream;
  /** Full JID of the link's client. */
  readonly jid: string;
  /** Every frame received. */
  readonly frames: Frame[];
  /** Number of stanzas with DATA received. */
  dataStanzas: number;
  end: BytestreamEnd | undefined;
  send(...frames: Frame[]): void;
  sendBytes(block: Uint8Array): void;
  ask(type: "get" | "set", child: Element): Promise<Element>;
  /** Asks whether the component knows a link of ours with this sid (XEP-0199). Default: this link's sid. */
  askAboutLink(sid?: string): Promise<Element>;
  subscribe(node: string, options?: Record<string, string | string[]>): Promise<Element>;
}

export const HELLO: HelloFrame = { ...createHello(), codecs: ["rows", "deflated"] };

/**
 * Opens a link. `shared`: the bytestreams of a connection with several links. By default the connection has only this
 * link.
 */
export async function openRawLink(
  connection: Connection,
  component: string,
  shared?: InBandBytestreams,
): Promise<RawLink> {
  const streams = shared ?? createInBandBytestreams(connection);
  const dispose = (): void => {
    if (shared === undefined) streams.dispose();
  };
  const stream = await streams.open(component).catch((error: unknown) => {
    dispose();
    throw error;
  });
  const ask = (type: "get" | "set", child: Element): Promise<Element> =>
    connection.request(xml("iq", { type, to: component }, child), { timeoutMs: 5_000 });
  const link: RawLink = {
    stream,
    jid: connection.jid,
    frames: [],
    dataStanzas: 0,
    end: undefined,
    send(...frames) {
      connection.send(stream.stanza(frames.map((frame) => encodeBase64(encodeFrame(frame))).join("")));
    },
    sendBytes(block) {
      connection.send(stream.stanza(encodeBase64(block)));
    },
    ask,
    askAboutLink: (sid = stream.sid) =>
      connection.request(xml("iq", { type: "get", to: `${component}/${sid}` }, xml("ping", NS.PING)), {
        timeoutMs: 5_000,
      }),
    subscribe: (node, options = {}) =>
      ask(
        "set",
        xml(
          "pubsub",
          NS.PUBSUB,
          xml("subscribe", { node, jid: connection.jid }),
          xml(
            "options",
            {},
            xml(
              "x",
              { xmlns: NS.DATA_FORMS, type: "submit" },
              ...Object.entries({ FORM_TYPE: NS.PUBSUB_SUBSCRIBE_OPTIONS, ...options }).map(
                ([name, values]) =>
                  xml("field", { var: name }, ...[values].flat().map((value) => xml("value", {}, value))),
              ),
            ),
          ),
        ),
      ),
  };
  stream.onBlock = (block) => {
    const frames = decodeBlock(block, DEFAULT_LIMITS);
    link.frames.push(...frames);
    if (frames.some(({ type }) => type === "data" || type === "coded")) link.dataStanzas++;
  };
  stream.onEnd = (end) => {
    link.end = end;
    dispose();
  };
  return link;
}
