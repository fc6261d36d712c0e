import { encodeBase64, type Connection, type InBandBytestreams } from "@stanzapack/xmpp";
import { formatRivalMessage } from "../rivals/json-messages.js";
import { WindowBatcher } from "../rivals/window-batcher.js";
import {
  formatJson,
  formatMsgpack,
  isGrouped,
  laneOf,
  lanesOf,
  type Item,
  type WireRivalForm,
} from "./forms.js";

export interface RivalSenderOptions {
  readonly form: WireRivalForm;
  /** Number of the workload's services. */
  readonly feeds: number;
  readonly windowMs: number;
  /** Full JID of the consumer. */
  readonly to: string;
}

/** One rival at its best: sends what one workload's services publish, to one consumer, in one form. */
export interface RivalSender {
  send(item: Item): void;
  /** Drops the waiting values. Its bytestreams are not closed, since the consumer has ended. */
  stop(): void;
}

/** Resolves when the consumer is ready. For `msgpack-ibb`, its bytestreams are open then. */
export async function startRivalSender(
  connection: Connection,
  streams: InBandBytestreams,
  options: RivalSenderOptions,
): Promise<RivalSender> {
  const { form, feeds, windowMs } = options;
  const grouped = isGrouped(form, feeds, windowMs);
  const { write, close } = await openWriter(connection, streams, options, grouped);
  const send = (items: readonly Item[]): void => write(items, grouped ? feeds : 1);
  // A bare value does not wait, whatever the window is.
  if (form === "json-body" || windowMs === 0) return { send: (item) => send([item]), stop: close };
  const batcher = new WindowBatcher<Item>(windowMs, send);
  return {
    send: (item) => batcher.push(item),
    stop() {
      batcher.stop();
      close();
    },
  };
}

interface Writer {
  /** `feeds`: number of services whose values the stanza has. */
  readonly write: (items: readonly Item[], feeds: number) => void;
  readonly close: () => void;
}

async function openWriter(
  connection: Connection,
  streams: InBandBytestreams,
  { form, feeds, to }: RivalSenderOptions,
  grouped: boolean,
): Promise<Writer> {
  const lanes = lanesOf(feeds, grouped);
  const laneFor = (items: readonly Item[]): string =>
    grouped ? (lanes[0] as string) : laneOf(items[0]?.feed ?? 0);
  if (form === "msgpack-ibb") {
    const opened = new Map(
      await Promise.all(lanes.map(async (sid) => [sid, await streams.open(to, { sid })] as const)),
    );
    return {
      write(items, shared) {
        const stream = opened.get(laneFor(items));
        if (stream?.state === "open")
          connection.send(stream.stanza(encodeBase64(formatMsgpack(shared, items))), 1, true);
      },
      close() {
        for (const stream of opened.values()) stream.abandon({ by: "local" });
      },
    };
  }
  return {
    write(items, shared) {
      const from = `${connection.jid}/${laneFor(items)}`;
      connection.send(formatRivalMessage(from, to, formatJson(form, shared, items)), 1, true);
    },
    close: () => undefined,
  };
}
