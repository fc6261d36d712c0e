import {
  createHello,
  createRowCodec,
  decodeBlock,
  decodeRow,
  DEFAULT_LIMITS,
  StanzapackError,
  type BindServiceFrame,
  type Value,
} from "@stanzapack/wire";
import { describe, expect, it, vi } from "vitest";
import type { OfferOptions } from "../options/offer-options.js";
import { OfferedMap } from "./offered-map.js";
import type { LinkPeer, ServiceHost } from "./service-host.js";

const PEER = { readsCoded: false, sendsKept: true, hop: "plain" } as LinkPeer;
const codec = createRowCodec(DEFAULT_LIMITS);

/** A map on a link that a test reads. */
function setUp(bounds: Pick<OfferOptions, "maxItems" | "maxBytes"> = {}) {
  const asked = { count: 0 };
  const host = {
    settle: () => Promise.resolve(void asked.count++),
    ...{ book: () => undefined, flush: () => undefined, sendFrame: () => undefined, ended: () => undefined },
  } as unknown as ServiceHost;
  const map = new OfferedMap<Value>("alice@x/m", { kind: "map", ...bounds }, host, codec);
  /** The link begins, and the component has the updates up to `sequence`. */
  const bind = (sequence: number, peer = PEER): void => {
    map.interrupt();
    map.bound(
      {
        ...{ type: "bind", role: "service", alias: 0, node: map.node, sequence },
        incarnation: map.incarnation,
      } satisfies BindServiceFrame,
      peer,
    );
  };
  /** Returns the rows that are sent now, with their sequences. */
  const sent = (): [number, Value][] =>
    map.take(65_535, 1e9).flatMap(({ base64 }) =>
      decodeBlock(Buffer.from(base64, "base64"), DEFAULT_LIMITS).flatMap((frame) => {
        if (frame.type !== "data") return [];
        const rows = codec.decode(frame).map(decodeRow);
        return rows.map((row, i): [number, Value] => [frame.to - rows.length + 1 + i, row]);
      }),
    );
  const keep = (sequence: number): void => map.kept(map.incarnation, sequence);
  /** Returns the forms of the DATA that is sent now. */
  const forms = (): string[] =>
    map.take(65_535, 1e9).flatMap(({ base64 }) =>
      decodeBlock(Buffer.from(base64, "base64"), DEFAULT_LIMITS).flatMap((frame) => {
        return frame.type === "data" || frame.type === "coded" ? [frame.form] : [];
      }),
    );
  return { map, bind, sent, forms, keep, asked };
}

describe("a map that is offered", () => {
  it("sends each change as an update, and says of a new map that it is empty", () => {
    const { map, bind, sent } = setUp();
    bind(0);
    expect(sent()).toEqual([[1, []]]);
    map.set("a", { x: 1 });
    map.delete("a");
    map.clear();
    expect(sent()).toEqual([
      [2, [["a", { x: 1 }]]],
      [3, [["a"]]],
      [4, [[]]],
    ]);
  });

  it.each([
    ["reads the form for maps", ["rows", "coded", "map"], ["map", "chained"]],
    ["does not know that form", ["rows", "coded"], ["key", "chained"]],
  ] as const)("is coded for a component that %s", (_, codecs, expected) => {
    const { map, bind, forms } = setUp();
    const session = { peerHello: createHello({ codecs }) } as unknown as LinkPeer["session"];
    bind(0, { ...PEER, readsCoded: true, session });
    const first = forms();
    map.set("a", 1);
    expect([...first, ...forms()]).toEqual(expected);
  });

  it("sends a batch as one update, without what it replaces itself", () => {
    const { map, bind, sent } = setUp();
    bind(0);
    sent();
    const result = map.batch(() => {
      map.set("gone", 1);
      map.clear();
      map.set("a", 1);
      map.batch(() => map.set("b", 1));
      map.delete("a");
      return "done";
    });
    expect(result).toBe("done");
    map.batch(() => undefined);
    expect(sent()).toEqual([[2, [[], ["a"], ["b", 1]]]]);
  });

  it("drops a batch whose function throws, and goes on", () => {
    const { map, bind, sent } = setUp();
    bind(0);
    sent();
    const boom = (): never => {
      map.set("a", 1);
      throw new Error("boom");
    };
    expect(() => map.batch(boom)).toThrow("boom");
    map.set("b", 1);
    expect(sent()).toEqual([[2, [["b", 1]]]]);
  });

  it("splits a large batch into rows of one update", () => {
    const { map, bind, sent } = setUp();
    bind(0);
    sent();
    map.batch(() => {
      for (let i = 0; i < 3; i++) map.set(`k${i}`, "x".repeat(40_000));
    });
    const rows = sent().map(([, row]) => row as Value[]);
    expect(rows.map((row) => row.length)).toEqual([2, 2, 1]);
    expect(rows.map((row) => row.at(-1) === null)).toEqual([true, true, false]);
  });

  it("refuses what would exceed its own bounds, and stays as it is", () => {
    const { map, bind, sent } = setUp({ maxItems: 2, maxBytes: 400 });
    bind(0);
    map.set("a", 1);
    map.set("b", 1);
    const refused = (change: () => void): unknown => {
      try {
        change();
      } catch (error) {
        return (error as StanzapackError).message;
      }
      return undefined;
    };
    expect(refused(() => map.set("c", 1))).toContain("would have 3 keys, and 2 are allowed (`maxItems`)");
    expect(refused(() => map.set("a", "x".repeat(200)))).toContain("487 bytes, and 400 are allowed");
    const swap = (): void => {
      map.delete("a");
      map.set("c", 1);
    };
    expect(refused(() => map.batch(swap))).toBeUndefined();
    const refill = (): void => {
      map.clear();
      for (const key of ["x", "y", "y"]) map.set(key, 1);
    };
    expect(refused(() => map.batch(refill))).toBeUndefined();
    expect(
      refused(() =>
        map.batch(() => {
          map.set("z", 1);
          map.set("a", 1);
          map.delete("x");
        }),
      ),
    ).toContain("3 keys");
    // A change that makes the map no larger is never refused.
    map.options = { ...map.options, maxItems: 1 };
    map.set("x", 2);
    map.delete("x");
    expect(sent().length).toBe(7);
  });

  it("refuses a batch that is larger than what may wait", () => {
    const { map } = setUp();
    const many = (): void => {
      for (let i = 0; i < 400; i++) map.set(`k${i}`, "x".repeat(49_000));
    };
    expect(() => map.batch(many)).toThrow(expect.objectContaining({ code: "too-large" }));
    expect(map.published).toBe(0);
  });

  it("settles when the component keeps what was changed, and not with its end", async () => {
    const { map, bind, sent, keep, asked } = setUp();
    bind(0);
    await expect.poll(() => sent().length).toBe(1);
    map.set("a", 1);
    const settled = map.settled();
    map.set("b", 1);
    await vi.waitFor(() => expect(asked.count).toBeGreaterThan(1));
    sent();
    keep(2);
    await settled;
    const other = map.settled();
    map.finish(new StanzapackError("limit-exceeded", "too many keys"));
    await expect(other).rejects.toThrow("too many keys");
    await expect(map.settled()).rejects.toMatchObject({ code: "stopped" });
  });

  it("takes a batch whole or not at all", () => {
    const { map } = setUp();
    for (let i = 0; i < 65_535; i++) map.delete("a");
    const two = (): void => {
      map.set("b", "x".repeat(40_000));
      map.set("c", "x".repeat(40_000));
    };
    expect(() => map.batch(two)).toThrow(expect.objectContaining({ code: "busy" }));
    expect(map.published).toBe(65_535);
    map.set("b", 1);
    expect(() => map.set("c", 1)).toThrow(expect.objectContaining({ code: "busy" }));
  });

  it("sends everything as one update to a component that has nothing of it", () => {
    const { map, bind, sent, keep } = setUp();
    bind(0);
    map.set("a", 1);
    map.set("b", 1);
    map.set("a", 2);
    sent();
    keep(2);
    map.delete("b");
    bind(0);
    expect(sent()).toEqual([[6, [["a", 2], ["b"]]]]);
    expect(map.unacknowledged).toBe(1);
  });

  it("sends again what the component has lost, and nothing that it has", () => {
    const { map, bind, sent, keep } = setUp();
    bind(0);
    for (const key of ["a", "b", "c"]) map.set(key, 1);
    map.delete("a");
    sent();
    keep(5);
    map.set("d", 1);
    // A crash of the component: it has only the first three updates.
    bind(3);
    expect(sent()).toEqual([[7, [["c", 1], ["a"], ["d", 1]]]]);
    keep(7);
    bind(7);
    expect(sent()).toEqual([]);
    map.set("e", 1);
    bind(7);
    expect(sent()).toEqual([[8, [["e", 1]]]]);
  });

  it("tells a component that has lost a clear of it", () => {
    const { map, bind, sent, keep } = setUp();
    bind(0);
    map.set("a", 1);
    map.clear();
    map.set("b", 1);
    sent();
    keep(4);
    bind(2);
    expect(sent()).toEqual([[5, [[], ["b", 1]]]]);
    keep(5);
    bind(5);
    expect(sent()).toEqual([]);
  });

  it("remembers a bounded number of removals", () => {
    const { map, bind, sent, keep } = setUp();
    bind(0);
    map.set("live", 1);
    map.batch(() => {
      for (let i = 0; i < 10_100; i++) map.delete(`k${i}`);
    });
    sent();
    keep(map.published);
    bind(0);
    const rows = sent().flatMap(([, row]) => (row as Value[]).filter((change) => change !== null));
    expect(rows.length).toBe(10_001);
  });

  it("is over after its end", () => {
    const { map } = setUp();
    map.finish(undefined);
    for (const act of [() => map.set("a", 1), () => map.delete("a"), () => map.clear()])
      expect(act).toThrow(expect.objectContaining({ code: "stopped" }));
  });
});
