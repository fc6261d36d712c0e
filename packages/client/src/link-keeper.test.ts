import {
  createHello,
  createRawDeflate,
  createRowCodec,
  decodeBlock,
  DEFAULT_LIMITS,
  encodeFrame,
  WHOLE,
  type Frame,
} from "@stanzapack/wire";
import { decodeBase64, type Bytestream, type Connection, type InBandBytestreams } from "@stanzapack/xmpp";
import { expect, it, vi } from "vitest";
import { LinkKeeper } from "./link-keeper.js";
import type { Negotiation } from "./negotiation.js";
import { Subscription } from "./subscription.js";

const NODE = "alice@x/t";
const hello = (token: number): Frame => createHello({ token: Uint8Array.of(token) });
const bind: Frame = {
  ...{ type: "bind", role: "subscription", alias: 0, node: NODE, subid: "s", kind: "value", baseAt: 0 },
};

/** One link, whose component the test plays: `frames` has what the client sent on it. */
interface Played {
  readonly frames: Frame[];
  give(...frames: Frame[]): void;
  end(): void;
}

it("asks again for what a link had been granted that ended before it was open", async () => {
  const links: Played[] = [];
  const deflate = createRawDeflate();
  const connection = {
    ...{ state: "online", compressed: false, writable: true, room: Infinity, sendElement: () => true },
    send: (base64: string) =>
      links.at(-1)?.frames.push(...decodeBlock(decodeBase64(base64) as Uint8Array, DEFAULT_LIMITS, deflate)),
  } as unknown as Connection;
  const open = (): Promise<Bytestream> => {
    const stream = {
      ...{ peer: "streams.x", sid: "abcd", blockSizeBytes: 65_535, abandon: () => undefined },
      ...{ stanza: (base64: string) => base64, close: () => Promise.resolve() },
    } as unknown as Bytestream;
    links.push({
      frames: [],
      give: (...frames) => stream.onBlock?.(Buffer.concat(frames.map(encodeFrame)), { stanzaChars: 0 }),
      end: () => stream.onEnd?.({ by: "peer" }),
    });
    return Promise.resolve(stream);
  };
  const subscription = new Subscription<unknown>(
    NODE,
    {},
    { change: () => Promise.reject(new Error()), stop: () => Promise.resolve(), credit: () => undefined },
  );
  const life = new AbortController();
  const keeper = new LinkKeeper(
    connection,
    { open } as unknown as InBandBytestreams,
    {
      subscribe: () => Promise.resolve({ subid: "s", windowMs: 0, selection: WHOLE }),
    } as unknown as Negotiation,
    {
      ...{ services: new Map(), subscriptions: new Map([[NODE, subscription]]) },
      patterns: {
        linkEnded: () => undefined,
        ...{ adopt: () => undefined, creditOf: () => 1, adopted: () => undefined, refused: () => undefined },
        restore: () => Promise.resolve(),
      },
    },
    createRowCodec(DEFAULT_LIMITS, deflate),
    { component: "streams.x", timeoutMs: 5_000 },
    {
      ...{ onDown: () => undefined, onRestored: () => undefined, onAcknowledged: () => undefined },
      ...{ onCredit: () => undefined, onBlock: () => undefined },
    },
    life.signal,
  );
  const opened = keeper.open();
  await vi.waitFor(() => expect(links[0]?.frames).toMatchObject([{ type: "hello" }]));
  links[0]?.give(hello(1));
  await opened;
  const made = keeper.establishSubscription(subscription);
  links[0]?.give(bind);
  await made;
  const kept = keeper.keep();
  await Promise.resolve();

  links[0]?.end();
  const resumes = (link: Played | undefined): Frame[] =>
    link?.frames.filter(({ type }) => type === "resume") ?? [];
  await vi.waitFor(() => expect(resumes(links[1])).toMatchObject([{ token: Uint8Array.of(1) }]), 2_000);
  // Everything is granted, the publisher is away, and the link's end is in the same read.
  const grant: Frame = {
    ...{ type: "grant", request: 1, aliases: [0], options: [["pubsub#digest_frequency", "0"]] },
    positions: null,
  };
  links[1]?.give(hello(2), bind, { type: "status", alias: 0, status: "offline", windowMs: null }, grant, {
    ...{ type: "done", request: 1 },
  });
  links[1]?.end();
  expect(subscription.status).toBe("disconnected");
  await vi.waitFor(() => expect(resumes(links[2])).toMatchObject([{ token: Uint8Array.of(2) }]), 2_000);
  links[2]?.give(hello(3), bind, grant, { type: "done", request: 1 });
  await vi.waitFor(() => expect(subscription.status).toBe("online"));
  life.abort();
  await kept;
});
