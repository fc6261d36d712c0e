import {
  createHello,
  createRowCodec,
  decodeBlock,
  DEFAULT_LIMITS,
  encodeFrame,
  StanzapackError,
  type ErrorCode,
  type Frame,
} from "@stanzapack/wire";
import {
  decodeBase64,
  StanzaError,
  type Bytestream,
  type Connection,
  type InBandBytestreams,
  type OutBlock,
} from "@stanzapack/xmpp";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LinkKeeper } from "./link-keeper.js";
import { NodeChoice } from "./node-choice.js";
import type { Negotiation } from "../negotiation/negotiation.js";
import type { OfferedService } from "../publish/offered-service.js";
import { SharedSubscription } from "../subscribe/shared-subscription.js";

const NODE = "alice@x/t";
const BLOCK = { stanzaChars: 0, label: undefined, lean: false };
const hello = (token: number): Frame => createHello({ token: Uint8Array.of(token) });
const bind: Frame = {
  ...{ type: "bind", role: "subscription", alias: 0, node: NODE, subid: "s", kind: "value", baseAt: 0 },
};
const granted = (request: number): Frame[] => [
  bind,
  {
    ...{ type: "grant", request, aliases: [0], options: [["pubsub#digest_frequency", "0"]] },
    positions: null,
  },
  { type: "done", request },
];
const refused = (request: number, code: ErrorCode): Frame[] => [
  { type: "refused", request, targets: [0], code, text: "for a while", retryAfterMs: null },
  { type: "done", request },
];
const requestsOf = (link: Played): Frame[] => link.frames.filter(({ type }) => type === "subscribe");
const resumesOf = (link: Played): Frame[] => link.frames.filter(({ type }) => type === "resume");

/** One link, whose component the test plays: `frames` has what the client sent on it. */
interface Played {
  readonly frames: Frame[];
  readonly openedAt: number;
  give(...frames: Frame[]): void;
  end(): void;
}

/** A keeper that always holds one subscription. */
function setUp(...components: string[]) {
  const links: Played[] = [];
  /** Nodes at which a link was asked for, and why some of them refuse links. */
  const opened: string[] = [];
  const refusals = new Map<string, StanzaError>();
  const connection = {
    ...{ state: "online", compressed: false, writable: true, room: Infinity, sendElement: () => true },
    request: () => Promise.resolve(),
    send: (base64: string) =>
      links.at(-1)?.frames.push(...decodeBlock(decodeBase64(base64) as Uint8Array, DEFAULT_LIMITS)),
  } as unknown as Connection;
  const open = (peer: string): Promise<Bytestream> => {
    const refusal = refusals.get(peer);
    opened.push(peer);
    if (refusal !== undefined) return Promise.reject(refusal);
    const stream = {
      ...{ peer, sid: "abcd", blockSizeBytes: 65_535, abandon: () => undefined },
      expectClose: () => undefined,
      ...{
        blockStanza: ({ base64 }: OutBlock) => base64,
        sentCount: 0,
        outstanding: 0,
        confirm: () => undefined,
      },
      close: () => Promise.resolve(),
    } as unknown as Bytestream;
    links.push({
      frames: [],
      openedAt: performance.now(),
      give: (...frames) => stream.onBlock?.(Buffer.concat(frames.map(encodeFrame)), BLOCK),
      end: () => stream.onEnd?.({ by: "peer" }),
    });
    return Promise.resolve(stream);
  };
  const subscription = new SharedSubscription(
    NODE,
    {},
    { change: () => Promise.reject(new Error()), stop: () => Promise.resolve(), credit: () => undefined },
  );
  subscription.join({});
  const withdraw = vi.fn<() => Promise<void>>(() => Promise.resolve());
  const life = new AbortController();
  const keeper = new LinkKeeper(
    connection,
    { open } as unknown as InBandBytestreams,
    { withdraw } as unknown as Negotiation,
    {
      ...{ services: new Map(), subscriptions: new Map([[NODE, subscription]]) },
      patterns: {
        linkEnded: () => undefined,
        ...{ adopt: () => undefined, creditOf: () => 1, adopted: () => undefined, refused: () => undefined },
        restore: () => Promise.resolve(),
      },
      unwanted: () => undefined,
      delayed: () => undefined,
    },
    createRowCodec(DEFAULT_LIMITS),
    { nodes: new NodeChoice(["streams.x", ...components]), timeoutMs: 20_000, envelope: "auto" },
    {
      ...{ onDown: () => undefined, onRestored: () => undefined, onAcknowledged: () => undefined },
      ...{ onCredit: () => undefined, onBlock: () => undefined, onEnvelope: () => undefined },
    },
    life.signal,
  );
  const kept = keeper.keep();
  return {
    ...{ links, subscription, withdraw, keeper, opened, refusals },
    /** The link that is opened next. */
    async next(): Promise<Played> {
      const before = links.length;
      while (links.length === before) await vi.advanceTimersByTimeAsync(50);
      return links.at(-1) as Played;
    },
    async stop(): Promise<void> {
      life.abort();
      await kept;
    },
  };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

it("asks again for what a link had been granted that ended before it was open", async () => {
  const { subscription, next, stop } = setUp();
  const first = await next();
  first.give(hello(1));
  await settle();
  first.give(...granted(1));
  await settle();
  expect(subscription.subid).toBe("s");

  first.end();
  const second = await next();
  await settle();
  expect(resumesOf(second)).toMatchObject([{ token: Uint8Array.of(1) }]);
  // Everything is granted, the publisher is away, and the link's end is in the same read.
  const away: Frame = { type: "status", alias: 0, status: "offline", windowMs: null };
  second.give(hello(2), ...granted(1), away);
  second.end();
  expect(subscription.status).toBe("disconnected");
  const third = await next();
  await settle();
  expect(resumesOf(third)).toMatchObject([{ token: Uint8Array.of(2) }]);
  third.give(hello(3), ...granted(1));
  await settle();
  expect(subscription.status).toBe("online");
  await stop();
});

it("asks once on each link for what is being made, until there is an answer", async () => {
  const { keeper, subscription, next, stop } = setUp();
  const { held } = keeper;
  // The request begins before there is a link, and its answer is lost with the first link.
  let made = false;
  const making = held.attempts
    .make([subscription], () => held.subscriptions.establish(subscription))
    .then(() => (made = true));
  const first = await next();
  first.give(hello(1));
  await settle();
  expect(requestsOf(first)).toHaveLength(1);
  first.give(bind);
  first.end();
  const second = await next();
  second.give(hello(2));
  await settle();
  expect(resumesOf(second)).toEqual([]);
  expect(requestsOf(second)).toHaveLength(1);
  expect(made).toBe(false);
  second.give(...granted(1));
  await making;
  expect(subscription.status).toBe("online");
  await stop();
});

it("asks again for what was asked while the stream was gone, also on the link that lived on", async () => {
  const { keeper, links, subscription, next, stop } = setUp();
  const { held } = keeper;
  const making = held.attempts.make([subscription], () => held.subscriptions.establish(subscription));
  const link = await next();
  keeper.streamIsGone();
  link.give(hello(1));
  await settle();
  expect(requestsOf(link)).toEqual([]);
  keeper.streamIsBack();
  keeper.streamIsGone();
  await settle();
  keeper.streamIsBack();
  await settle();
  expect(requestsOf(link)).toHaveLength(1);
  link.give(...granted(1));
  await making;
  expect(links).toHaveLength(1);
  await stop();
});

it.each(["internal", "timeout", "busy"] as const)(
  "goes on asking for what fails by `%s` when it is restored, and keeps the link",
  async (code) => {
    const { links, subscription, next, stop } = setUp();
    const link = await next();
    link.give(hello(1));
    await settle();
    link.give(...refused(1, code));
    await settle();
    expect(subscription).toMatchObject({ status: "waiting", ended: false });
    await vi.advanceTimersByTimeAsync(7_000);
    link.give(...refused(2, code));
    await vi.advanceTimersByTimeAsync(8_000);
    expect(requestsOf(link)).toHaveLength(3);
    link.give(...granted(3));
    await settle();
    expect(subscription.status).toBe("online");
    expect(links).toHaveLength(1);
    await stop();
  },
);

it("asks again after a decision that overtakes the answer `pending`", async () => {
  const { keeper, subscription, next, stop } = setUp();
  const link = await next();
  link.give(hello(1));
  await settle();
  const decided = keeper.held.decided(NODE, undefined);
  await settle();
  link.give(...refused(1, "pending"));
  await settle();
  expect(requestsOf(link)).toHaveLength(2);
  link.give(...granted(2));
  await decided;
  expect(subscription.status).toBe("online");
  await stop();
});

it("ends what fails for good when it is restored, and tells why", async () => {
  const { subscription, next, stop } = setUp();
  const ended = vi.fn();
  subscription.join({}).on("ended", ended);
  const link = await next();
  link.give(hello(1));
  await settle();
  link.give(...refused(1, "not-allowed"));
  await settle();
  expect(ended).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: "not-allowed" }));
  await stop();
});

it("asks soon again when nobody answers the opening of a link, and waits twice as long each time", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  const { next, stop } = setUp();
  const openedAt: number[] = [];
  for (let i = 0; i < 5; i++) openedAt.push((await next()).openedAt);
  const gaps = openedAt.slice(1).map((at, i) => at - (openedAt[i] as number));
  for (const [i, patience] of [3_000, 6_000, 12_000, 20_000].entries()) {
    expect(gaps[i]).toBeGreaterThanOrEqual(patience);
    expect(gaps[i]).toBeLessThan(patience + 5_000);
  }
  await stop();
});

it("opens links that do not last less and less often, and one after a link that lasted at once", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.999);
  const { links, next, stop } = setUp();
  for (let i = 0; i < 8; i++) {
    const link = await next();
    link.give(hello(i));
    await vi.advanceTimersByTimeAsync(1_000);
    link.end();
  }
  const gaps = links.slice(1).map(({ openedAt }, i) => openedAt - (links[i]?.openedAt ?? 0) - 1_000);
  for (const [i, gap] of gaps.entries()) expect(gap).toBeCloseTo(Math.min(5_000, 500 * 2 ** i), -2);
  const lasting = await next();
  lasting.give(hello(9));
  await vi.advanceTimersByTimeAsync(5_000);
  lasting.end();
  const endedAt = performance.now();
  expect((await next()).openedAt - endedAt).toBeLessThanOrEqual(250);
  await stop();
});

it("has withdrawn a service that the component does not know any more", async () => {
  const { keeper, withdraw, next, stop } = setUp();
  const link = await next();
  link.give(hello(1));
  await settle();
  link.give(...granted(1));
  await settle();
  const service = { node: "alice@x/gone" } as OfferedService;
  withdraw.mockImplementationOnce(() => Promise.reject(new StanzapackError("no-such-service", "gone")));
  await keeper.held.services.withdraw(service);
  withdraw.mockImplementationOnce(() => Promise.reject(new StanzapackError("forbidden", "not yours")));
  await expect(keeper.held.services.withdraw(service)).rejects.toMatchObject({ code: "forbidden" });
  await stop();
});

const SIBLING = { siblings: [{ domain: "streams2.x", weight: 100 }] };
const away: Frame = { type: "bye", code: "component-unavailable", text: "the component stops" };

it("goes on at a sibling when its node stops, and asks without the token of the other", async () => {
  const { opened, subscription, next, stop } = setUp();
  const first = await next();
  first.give(createHello({ token: Uint8Array.of(1), ...SIBLING }));
  await settle();
  first.give(...granted(1));
  await settle();
  first.give(away);
  const second = await next();
  await settle();
  expect(opened).toEqual(["streams.x", "streams2.x"]);
  second.give(hello(2));
  await settle();
  expect(resumesOf(second)).toEqual([]);
  expect(requestsOf(second)).toHaveLength(1);
  second.give(...granted(1));
  await settle();
  expect(subscription.status).toBe("online");
  await stop();
});

it("comes back to the same node when the link breaks for another reason", async () => {
  const { opened, next, stop } = setUp();
  const first = await next();
  first.give(createHello({ token: Uint8Array.of(1), ...SIBLING }));
  await settle();
  first.give(...granted(1));
  await settle();
  first.end();
  const second = await next();
  await settle();
  expect(opened).toEqual(["streams.x", "streams.x"]);
  expect(resumesOf(second)).toHaveLength(1);
  await stop();
});

it("tries one node after another until one answers", async () => {
  const { opened, refusals, next, stop } = setUp("streams2.x", "streams3.x");
  for (const domain of ["streams.x", "streams2.x"])
    refusals.set(domain, new StanzaError("service-unavailable", "cancel"));
  await next();
  expect(opened.at(-1)).toBe("streams3.x");
  expect(opened.length).toBeLessThanOrEqual(3);
  await stop();
});

it("follows a node that names another one", async () => {
  const { opened, refusals, next, stop } = setUp();
  const address = "xmpp:streams5.x";
  refusals.set(
    "streams.x",
    new StanzaError("redirect", "modify", "more room there", undefined, undefined, address),
  );
  await next();
  expect(opened).toEqual(["streams.x", "streams5.x"]);
  await stop();
});
