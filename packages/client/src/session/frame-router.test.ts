import {
  createRowCodec,
  DEFAULT_LIMITS,
  WHOLE,
  type Frame,
  type NewCallFrame,
  type ResultFrame,
  type ServiceKind,
} from "@stanzapack/wire";
import { describe, expect, it, vi } from "vitest";
import { FrameRouter } from "./frame-router.js";
import { OfferedService } from "../publish/offered-service.js";
import type { LinkPeer, ServiceHost } from "../publish/service-host.js";
import { SharedSubscription } from "../subscribe/shared-subscription.js";

const codec = createRowCodec(DEFAULT_LIMITS);

function setUp(heldNodes: readonly string[]) {
  const subscription = (node: string): SharedSubscription =>
    new SharedSubscription(
      node,
      {},
      {
        change: () => Promise.reject(new Error("not here")),
        stop: () => Promise.resolve(),
        credit: () => undefined,
      },
    );
  const subscriptions = new Map(heldNodes.map((node) => [node, subscription(node)]));
  const sent: Frame[] = [];
  const peer = {
    ...{ maxBlockBytes: 4_095, takesCalls: true, sendsDigests: true, reachable: true },
    sendFrame: (frame: Frame) => void sent.push(frame),
    watchSilence: vi.fn(),
  };
  const patterns = {
    adopt(node: string) {
      if (!node.startsWith("alice@x/")) return undefined;
      const adopted = subscription(node);
      subscriptions.set(node, adopted);
      return adopted;
    },
    ...{
      linkEnded: () => undefined,
      creditOf: () => 77,
      adopted: vi.fn(),
      refused: vi.fn(),
      restore: () => Promise.resolve(),
    },
  };
  const unwanted = vi.fn();
  const holdings = {
    services: new Map<string, OfferedService>(),
    subscriptions,
    patterns,
    unwanted,
    delayed: vi.fn(),
  };
  const router = new FrameRouter(holdings, codec, () => peer as unknown as typeof peer & LinkPeer, 1_000);
  const bind = (alias: number, node: string, kind: ServiceKind = "value"): void =>
    router.dispatch({ type: "bind", role: "subscription", alias, node, subid: `s${alias}`, kind, baseAt: 0 });
  const grant = (...aliases: number[]): void =>
    router.dispatch({
      ...{ type: "grant", request: 1, aliases, positions: null },
      options: [
        ["pubsub#digest_frequency", "200"],
        ["deadband", "2"],
        ["heartbeat", "5000"],
      ],
    });
  return { router, holdings, subscriptions, patterns, peer, sent, bind, grant };
}

describe("what the component grants by frame", () => {
  it("is window and selection, and a heartbeat is watched for", () => {
    const { subscriptions, peer, bind, grant } = setUp(["bob@x/a"]);
    const a = subscriptions.get("bob@x/a") as SharedSubscription;
    a.begin(10);
    bind(3, "bob@x/a");
    grant(3, 4);
    expect(a).toMatchObject({ windowMs: 200, subid: "s3" });
    expect(a.selection).toEqual({ ...WHOLE, deadband: 2, heartbeatMs: 5_000 });
    expect(a.credit.total).toBe(10);
    expect(peer.watchSilence).toHaveBeenCalledOnce();
  });

  it("for a pattern has the pattern's credit; a log that is waited for, and what was stopped, are given back", async () => {
    const { router, subscriptions, patterns, sent, bind, grant } = setUp(["alice@x/value", "alice@x/log"]);
    bind(0, "alice@x/new");
    bind(1, "alice@x/value");
    bind(2, "alice@x/log", "log");
    bind(3, "carol@x/whose");
    await Promise.resolve();
    const given = { type: "change", aliases: [2, 3], patterns: [], options: null };
    await vi.waitFor(() => expect(sent).toMatchObject([given]));
    router.dispatch({ type: "done", request: 1 });
    const total = (name: string): number | undefined => subscriptions.get(`alice@x/${name}`)?.credit.total;
    expect([total("new"), total("value"), total("log")]).toEqual([77, 77, 0]);
    subscriptions.get("alice@x/value")?.finish(undefined);
    grant(0, 1, 2, 3);
    expect(patterns.adopted.mock.calls).toEqual([[subscriptions.get("alice@x/new")]]);
    await vi.waitFor(() => expect(sent.slice(1)).toMatchObject([{ ...given, aliases: [1] }]));
  });
});

it("passes calls to the services of their aliases, and results to their subscriptions", async () => {
  const { router, holdings, subscriptions, sent, bind } = setUp(["bob@x/a"]);
  const service = new OfferedService("alice@x/s", {}, {} as ServiceHost, codec);
  service.handle("double", (args: number) => args * 2);
  holdings.services.set(service.node, service);
  const { incarnation, node } = service;
  router.dispatch({ type: "bind", role: "service", alias: 1, node, incarnation, sequence: 0 });
  bind(3, "bob@x/a");
  const result = subscriptions.get("bob@x/a")?.calls.call("double", 4, 1_000);
  expect(sent).toMatchObject([{ type: "call", alias: 3, call: 0, method: "double", caller: null }]);
  const asked = sent[0] as NewCallFrame;
  // Nobody offers the second one any more.
  for (const alias of [1, 2]) router.dispatch({ ...asked, alias, call: 70 + alias, caller: "bob@x" });
  await vi.waitFor(() => expect(sent.length).toBe(2));
  expect(sent[1]).toEqual({ type: "result", call: 71, ok: true, result: Uint8Array.of(8) });
  router.dispatch({ ...(sent[1] as ResultFrame), call: 0 });
  // A late one is for nobody.
  router.dispatch({ ...(sent[1] as ResultFrame), call: 0 });
  expect(await result).toBe(8);
});

it("tells of a service that is bound, and that nobody offers; not of an older one of the same name", () => {
  const { router, holdings } = setUp([]);
  const bind = { type: "bind", role: "service", alias: 0, sequence: 0 } as const;
  router.dispatch({ ...bind, node: "alice@x/given-up", incarnation: 5 });
  holdings.services.set("alice@x/again", { incarnation: 6 } as OfferedService);
  router.dispatch({ ...bind, node: "alice@x/again", incarnation: 5 });
  expect(holdings.unwanted.mock.calls).toEqual([["alice@x/given-up"]]);
});
