import {
  createHello,
  createRowCodec,
  decodeBlock,
  decodeRow,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeFrame,
  encodeLaneBody,
  encodeLanePrefix,
  encodeUpdate,
  LaneEncoder,
  type BindServiceFrame,
  type LaneBody,
} from "@stanzapack/wire";
import { createInBandBytestreams, encodeBase64, NS, xml, type Connection } from "@stanzapack/xmpp";

const ROWS = 4_096;
/** With the row itself and its key's end, these are as many values as one message may have. */
const FIELDS = 14;
const FRAMES_PER_BLOCK = 16;
const BIND_MS = 10_000;

/**
 * A publisher with hand-made frames, whose values are always as predicted: a hundred bytes have 4,096 rows of 14
 * fields. Each frame begins a new incarnation of its outbox. So the same body is new every time, and costs its sender
 * nothing.
 */
export interface CostlyPublisher {
  readonly node: string;
  /** Sends one stanza of `frames` frames, by default 16. Returns the number of updates in it. */
  send(frames?: number): number;
  readonly ended: boolean;
  /** Closes the link cleanly. */
  leave(): Promise<void>;
  /** Removes its handlers from the connection. */
  close(): void;
}

export async function openCostlyPublisher(
  connection: Connection,
  component: string,
  node: string,
): Promise<CostlyPublisher> {
  const streams = createInBandBytestreams(connection);
  const stream = await streams.open(component);
  let bound: ((frame: BindServiceFrame) => void) | undefined;
  const bind = new Promise<BindServiceFrame>((resolve, reject) => {
    bound = resolve;
    setTimeout(() => reject(new Error(`no BIND within ${BIND_MS} ms`)), BIND_MS).unref();
  });
  let ended = false;
  stream.onEnd = () => (ended = true);
  stream.onBlock = (block) => {
    for (const frame of decodeBlock(block, DEFAULT_LIMITS))
      if (frame.type === "bind" && frame.role === "service") bound?.(frame);
  };
  const write = (base64: string): void => void connection.send(stream.stanza(base64), 1, true);
  write(encodeBase64(encodeFrame(createHello())));
  await connection.request(
    xml("iq", { type: "set", to: component }, xml("pubsub", NS.PUBSUB, xml("create", { node }))),
  );
  const { alias } = await bind;
  const body = costlyBody();
  let life = 0;
  return {
    node,
    get ended() {
      return ended;
    },
    send(frames = FRAMES_PER_BLOCK) {
      let base64 = "";
      for (let i = 0; i < frames; i++)
        base64 +=
          encodeBase64(encodeLanePrefix(body.form, alias)) +
          encodeBase64(encodeLaneBody({ ...body, epoch: ++life } as LaneBody));
      write(base64);
      return frames * ROWS;
    },
    leave: async () => void (await stream.close()),
    close: () => streams.dispose(),
  };
}

function costlyBody(): LaneBody {
  const rows = createRowCodec(DEFAULT_LIMITS);
  const encoder = new LaneEncoder({ limits: DEFAULT_CODEC_LIMITS, rows, hop: "plain" });
  const value = Object.fromEntries(Array.from({ length: FIELDS }, (_, i) => [`f${i}`, i]));
  const packed = Array.from({ length: ROWS }, () => encodeUpdate(value, DEFAULT_LIMITS));
  const head = { epoch: 1, from: 1, to: ROWS, at: 0, spanMs: 0 };
  const body = encoder.encode({ ...head, rows: packed.map(decodeRow), packed }, 0, 1);
  if (!("epoch" in body)) throw new Error(`the first body of a chain is ${body.form}`);
  return body;
}
