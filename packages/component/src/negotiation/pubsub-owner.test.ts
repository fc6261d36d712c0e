import { NS, xml } from "@stanzapack/xmpp";
import { describe, expect, it, vi } from "vitest";
import type { Broker } from "../broker/broker.js";
import { configSchema } from "../config/config.js";
import { createInbox } from "../links/intake.js";
import type { LinkTable } from "../links/link-table.js";
import { OwnerRequests } from "./pubsub-owner.js";

const ALICE = "alice@example.org/sensor";
const NODE = "alice@example.org/log";

/**
 * A service whose publisher has sent `waiting` blocks that are not read. `read` is called when the request waits for
 * them. `store` is what storing does with the record, whose last two updates wait for the disk.
 */
function setUp(
  waiting: number,
  read: (blocks: unknown[]) => void = () => undefined,
  store: (record: { offset: number; given: number }) => unknown = (record) => (record.offset = record.given),
) {
  const link = { inbox: createInbox() };
  for (let i = 0; i < waiting; i++) link.inbox.blocks.push({ bytes: new Uint8Array(1), label: undefined });
  const withdraw = vi.fn();
  const record = { offset: 1, given: 3 };
  const service = {
    ...{ publisher: { link }, record },
    get storing() {
      return Promise.resolve().then(async () => void (await store(record)));
    },
  };
  const catalog = { own: () => service };
  const broker = { catalog, offers: { withdraw } } as unknown as Broker;
  const links = {
    read: () => Promise.resolve(read(link.inbox.blocks)),
    get: (jid: string) => (jid === ALICE ? link : { inbox: createInbox() }),
  } as unknown as LinkTable;
  const { limits } = configSchema.parse({ component: { domain: "streams.localhost", secret: "x" } });
  const requests = new OwnerRequests(broker, links, limits);
  const child = xml("pubsub", NS.PUBSUB_OWNER, xml("delete", { node: NODE }));
  return {
    withdraw,
    ask: async (from: string) => requests.set({ from, child }),
  };
}

describe("the withdrawal of a service", () => {
  it("waits for what its publisher sent before, which is told to ask again where that takes long", async () => {
    const { withdraw, ask } = setUp(2);
    await expect(ask(ALICE)).rejects.toMatchObject({ code: "busy", retryAfterMs: 1_000 });
    expect(withdraw).not.toHaveBeenCalled();
    const other = setUp(2, (blocks) => (blocks.length = 0));
    await other.ask(ALICE);
    expect(other.withdraw).toHaveBeenCalledOnce();
  });

  it("waits until the updates before are stored, and is refused where the store refuses them", async () => {
    const stored: number[] = [];
    const good = setUp(0, undefined, (record) => stored.push((record.offset = record.given)));
    await good.ask(ALICE);
    expect([stored, good.withdraw.mock.calls.length]).toEqual([[3], 1]);
    const full = (record: { offset: number; given: number }): number => (record.given = record.offset);
    const bad = setUp(0, undefined, full);
    await expect(bad.ask(ALICE)).rejects.toMatchObject({ code: "busy", retryAfterMs: 1_000 });
    expect(bad.withdraw).not.toHaveBeenCalled();
    await setUp(0, undefined, full).ask("alice@example.org/phone");
  });

  it("does not wait long for a disk that stands still", async () => {
    vi.useFakeTimers();
    try {
      const never = (): Promise<never> => new Promise(() => undefined);
      const { ask, withdraw } = setUp(0, undefined, never);
      const refused = expect(ask(ALICE)).rejects.toMatchObject({ code: "busy" });
      await vi.advanceTimersByTimeAsync(2_000);
      await refused;
      expect(withdraw).not.toHaveBeenCalled();
    } finally {
      vi.useRealTimers();
    }
  });

  it("is not held up by a publisher that floods, where another session of the owner asks", async () => {
    const { withdraw, ask } = setUp(2);
    await ask("alice@example.org/phone");
    expect(withdraw).toHaveBeenCalledOnce();
  });
});
