import type { Connection, Element } from "@stanzapack/xmpp";
import { StanzaError, xml } from "@stanzapack/xmpp";
import { pino } from "pino";
import { expect, it, vi } from "vitest";
import type { SeenNode } from "./node-store.js";
import { Placement } from "./placement.js";
import type { Session } from "./session.js";

const node = (domain: string): SeenNode => ({
  ...{ domain, session: "s", weight: 100, links: 0, services: 0, followed: 0 },
  ...{ subscriptions: 0, lagMs: 0, ageMs: 0 },
});

/** A node among two others. `ready`: what each of them answers. */
function setUp(ready: Record<string, boolean | undefined>) {
  const sendAway = vi.fn();
  const handlers: ((iq: { from: string }) => Element)[] = [];
  const since = { ms: 0 };
  const connection = {
    ...{ state: "online" },
    onIq: (...args: unknown[]) => {
      handlers.push(args[3] as (typeof handlers)[number]);
      return () => undefined;
    },
    request: (iq: Element) => {
      const answer = ready[iq.attrs["to"] as string];
      if (answer === undefined) return Promise.reject(new StanzaError("service-unavailable", "cancel"));
      return Promise.resolve(
        xml("iq", {}, xml("node", { xmlns: "urn:stanzapack:0", ready: String(answer) })),
      );
    },
  } as unknown as Connection;
  const nodes = [node("a"), node("b"), node("c")];
  const session = { nodes, all: nodes, sinceRenewalMs: () => since.ms } as unknown as Session;
  const log = pino({ level: "silent" });
  const describe = () => ({ weight: 100 });
  const placement = new Placement({ domain: "a", connection, log, describe, sendAway }, session);
  return { placement, sendAway, since, ask: (from: string) => handlers[0]?.({ from }) };
}

async function sweep(placement: Placement): Promise<void> {
  placement.sweep(0);
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

it("sends clients away once, when it alone cannot reach the store, and then names the one that can", async () => {
  const { placement, sendAway, since } = setUp({ b: undefined, c: true });
  await sweep(placement);
  expect(placement.better(0, false)).toBeUndefined();
  since.ms = 3_500;
  await sweep(placement);
  await sweep(placement);
  expect(sendAway).toHaveBeenCalledOnce();
  expect(placement.better(0, false)).toBe("c");
  since.ms = 0;
  await sweep(placement);
  expect(placement.better(0, false)).toBeUndefined();
});

it("keeps its clients when nobody can reach the store", async () => {
  const { placement, sendAway, since } = setUp({ b: false, c: undefined });
  since.ms = 20_000;
  await sweep(placement);
  expect(sendAway).not.toHaveBeenCalled();
  expect(placement.better(0, false)).toBeUndefined();
});

it("answers siblings alone", () => {
  const { since, ask } = setUp({});
  expect(ask("b")?.attrs["ready"]).toBe("true");
  since.ms = 2_500;
  expect(ask("b")?.attrs["ready"]).toBe("false");
  expect(() => ask("mallory@example.org")).toThrow(StanzaError);
});
