import { WHOLE } from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import { fitsFrame, groupAlike } from "./bulk.js";
import { SharedSubscription } from "../subscribe/shared-subscription.js";
import type { SubscribeOptions } from "../options/subscribe-options.js";

const subscription = (name: string, options: SubscribeOptions<unknown> = {}): SharedSubscription => {
  const shared = new SharedSubscription(`alice@x/${name}`, options, {
    change: () => Promise.reject(new Error("not here")),
    stop: () => Promise.resolve(),
    credit: () => undefined,
  });
  shared.join(options);
  return shared;
};

/** Delivers this many rows, which wait in the queue. */
function fill(it: SharedSubscription, count: number): void {
  const rows = Array.from({ length: count }, (_, i) => i);
  it.deliver({ epoch: 1, from: 1, to: count, at: 0, spanMs: 0, rows });
}

describe("subscriptions that one request asks for", () => {
  it("have the same window, selection and beginning, and nearly the same credit, of which the least holds", () => {
    const [a, b, c, d, e, f, g] = [
      subscription("a"),
      subscription("b"),
      subscription("c", { windowMs: 100 }),
      subscription("d", { deadband: 1 }),
      subscription("e", { since: "first" }),
      subscription("f"),
      subscription("g", { samples: "all", deadband: null }),
    ];
    fill(b, 100);
    fill(f, 600);
    const groups = groupAlike([a, b, c, d, e, f, g]);
    expect(
      groups.map(({ subscriptions, credit }) => [subscriptions.map(({ node }) => node[8]), credit]),
    ).toEqual([
      [["a", "b", "g"], 900],
      [["c"], 1_000],
      [["d"], 1_000],
      [["e"], 1_000],
      [["f"], 400],
    ]);
    for (const { subscriptions, credit } of groups) for (const it of subscriptions) it.begin(credit);
    expect([a, b, f].map(({ credit }) => credit.total)).toEqual([900, 900, 400]);
  });

  it("with more options than a frame may carry are asked for one by one", () => {
    const asked = (chars: number) => ({
      windowMs: 0,
      selection: { ...WHOLE, fields: Array.from({ length: 8 }, (_, i) => `${i}`.repeat(chars)) },
    });
    expect([100, 130].map((chars) => fitsFrame(asked(chars)))).toEqual([true, false]);
  });
});
