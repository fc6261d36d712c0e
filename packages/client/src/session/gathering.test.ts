import { StanzapackError, type Frame, type RequestFrame } from "@stanzapack/wire";
import { expect, it, onTestFinished, vi } from "vitest";
import { LinkRequests } from "../link/link-requests.js";
import type { SubscribeOptions } from "../options/subscribe-options.js";
import { SharedSubscription } from "../subscribe/shared-subscription.js";
import type { FrameRouter } from "./frame-router.js";
import { Gathering } from "./gathering.js";

function setUp() {
  const sent: RequestFrame[] = [];
  const link = { maxBlockBytes: 4_095, sendFrame: (frame: RequestFrame) => void sent.push(frame) };
  const requests = new LinkRequests(() => link, 20_000, vi.fn());
  onTestFinished(() => requests.fail(new StanzapackError("stopped", "the test has ended")));
  const router = { requests } as unknown as FrameRouter;
  const gathering = new Gathering();
  const subscribe = (name: string, options: SubscribeOptions<unknown> = {}) => {
    const host = { change: vi.fn(), stop: vi.fn(), credit: vi.fn() };
    const subscription = new SharedSubscription(`alice@x/${name}`, options, host);
    subscription.join(options);
    const asked = gathering.subscribe(subscription, router).then(
      (byFrame) => (byFrame ? "granted" : "ask by iq"),
      ({ code }: StanzapackError) => code,
    );
    return { subscription, asked };
  };
  const answer = (frame: Frame): void => requests.onAnswer(frame as Parameters<LinkRequests["onAnswer"]>[0]);
  return { sent, requests, subscribe, answer };
}

it("asks by one frame for all subscriptions of a turn with equal options", async () => {
  const { sent, subscribe, answer } = setUp();
  const [a, b, c] = [subscribe("a"), subscribe("b", { windowMs: 100 }), subscribe("c")];
  await Promise.resolve();
  expect(sent.map((frame) => "nodes" in frame && frame.nodes)).toEqual([["alice@x/a", "/c"], ["alice@x/b"]]);
  const later = subscribe("d");
  await Promise.resolve();
  expect(sent).toHaveLength(3);

  const granted = { windowMs: 0, selection: a.subscription.selection };
  for (const { subscription } of [a, later]) subscription.applyGrant({ subid: "s", ...granted });
  answer({
    ...{ type: "refused", request: 1, targets: [1] },
    code: "forbidden",
    text: "",
    retryAfterMs: null,
  });
  for (const request of [1, 2, 3]) answer({ type: "done", request });
  expect(await Promise.all([a, b, c, later].map(({ asked }) => asked))).toEqual([
    "granted",
    // The component has answered, and neither granted nor refused it.
    "timeout",
    "forbidden",
    "granted",
  ]);
});

it("leaves to an iq what would wait alone for a frame", async () => {
  const { sent, subscribe } = setUp();
  const asked = Array.from({ length: 6 }, (_, i) => subscribe(`s${i}`, { windowMs: 100 * i }).asked);
  const [, , , , ...rest] = asked;
  expect(await Promise.all(rest)).toEqual(["ask by iq", "ask by iq"]);
  expect(sent).toHaveLength(4);
  void subscribe("s6", { windowMs: 100 }).asked;
  void subscribe("s7", { windowMs: 100 }).asked;
  expect(await subscribe("s8").asked).toBe("ask by iq");
  // The two wait for a frame of their own.
  expect(sent).toHaveLength(4);
});

it("tells each of them that the frame was refused as a whole", async () => {
  const { requests, subscribe } = setUp();
  const both = [subscribe("a"), subscribe("b")];
  await Promise.resolve();
  requests.fail(new StanzapackError("disconnected", "gone"));
  expect(await Promise.all(both.map(({ asked }) => asked))).toEqual(["disconnected", "disconnected"]);
});
