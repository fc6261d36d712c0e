import { NS, xml, type Connection, type Element, type IqHandler, type StanzaError } from "@stanzapack/xmpp";
import { describe, expect, it, vi } from "vitest";
import { Budgets } from "../budgets/budgets.js";
import { configSchema } from "../config/config.js";
import { RequestGate } from "./request-gate.js";
import { createStats } from "../base/stats.js";

const { limits } = configSchema.parse({
  component: { domain: "c.test", secret: "x" },
  limits: { requestsPerSecond: 10, burstSeconds: 2 },
});

/** A gate whose handler takes `takesMs` of work, and answers with `answer`. */
function setUp() {
  const listeners = new Map<string, () => void>();
  const state = {
    writable: true,
    now: 1_000,
    ms: 0,
    takesMs: 0,
    answer: xml("query") as Element | undefined,
  };
  let gated: IqHandler | undefined;
  const connection = {
    get writable() {
      return state.writable;
    },
    onIq: (_: string, __: string, ___: string, handler: IqHandler) => {
      gated = handler;
      return () => undefined;
    },
    onOtherIq: () => () => undefined,
    on: (event: string, listener: () => void) => {
      listeners.set(event, listener);
      return () => listeners.delete(event);
    },
  } as unknown as Connection;
  const budgets = new Budgets(
    limits,
    createStats(),
    undefined,
    () => state.now,
    () => 0,
  );
  const stats = createStats();
  const gate = new RequestGate(
    connection,
    budgets,
    stats,
    () => state.now,
    () => state.ms,
  );
  const handler = vi.fn<IqHandler>(({ from }) => {
    budgets.request(from);
    state.ms += state.takesMs;
    return state.answer;
  });
  gate.guarded.onIq("get", NS.DISCO_ITEMS, "query", handler);
  const asked: string[] = [];
  /** Asks once. `asked` lists the answers in their order. */
  const ask = (from = "bob@x/1"): void => {
    const note = (text: string): void => void asked.push(`${from} ${text}`);
    const refused = (error: StanzaError): void => note(error.condition ?? error.message);
    try {
      const result = gated?.({ from, to: "c.test", id: "1", type: "get", child: xml("query") });
      if (result instanceof Promise) result.then(() => note("result"), refused);
      else note("result");
    } catch (error) {
      note((error as Error).message.includes("retry in") ? "busy" : (error as StanzaError).condition);
    }
  };
  /** Asks until a request is refused. Returns how many were answered before. */
  const admitted = (from: string): number => {
    for (let count = 0; ; count++) {
      ask(from);
      if (asked.at(-1) !== `${from} result`) return count;
    }
  };
  const emit = async (event: string): Promise<void> => {
    listeners.get(event)?.();
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { state, stats, gate, handler, asked, ask, admitted, emit };
}

describe("what a request costs", () => {
  it.each<[string, number, Element | undefined, number]>([
    ["one, as a rule", 0.1, xml("query"), 20],
    ["more, for its processor time", 1, xml("query"), 4],
    ["more, for the bytes of its answer", 0, xml("query", {}, "x".repeat(20_000)), 4],
    ["one, without an answer", 0, undefined, 20],
  ])("is %s", (_, takesMs, answer, count) => {
    const { state, admitted } = setUp();
    Object.assign(state, { takesMs, answer });
    expect(admitted("bob@x/1")).toBe(count);
  });

  it("is charged also where it is refused after the work, and to nobody else", () => {
    const { state, handler, ask, asked, admitted } = setUp();
    handler.mockImplementationOnce(() => {
      state.ms += 4;
      throw new Error("too large");
    });
    ask("alice@x/1");
    handler.mockClear();
    // Of the 20 requests, this account was charged none yet: an account begins with its first request.
    expect(admitted("alice@x/1")).toBe(20);
    ask("bob@x/1");
    handler.mockImplementationOnce(() => {
      state.ms += 2;
      throw new Error("too large");
    });
    ask("bob@x/1");
    expect(asked.at(-1)).toContain("bob@x/1");
    expect(admitted("bob@x/1")).toBe(10);
    expect(admitted("carol@x/1")).toBe(20);
  });
});

describe("requests while the stream to the server is backed up", () => {
  it("wait in turn, and are answered when it takes more", async () => {
    const { state, ask, asked, handler, emit } = setUp();
    state.writable = false;
    for (const who of ["bob@x/1", "alice@x/1", "bob@x/2"]) ask(who);
    expect([asked, handler.mock.calls.length]).toEqual([[], 0]);
    state.writable = true;
    // A request that comes now does not overtake the waiting ones.
    ask("carol@x/1");
    await emit("drain");
    expect(asked).toEqual(["bob@x/1 result", "alice@x/1 result", "bob@x/2 result", "carol@x/1 result"]);
  });

  it("are answered as far as it takes them", async () => {
    const { state, ask, asked, handler, emit } = setUp();
    state.writable = false;
    for (let i = 0; i < 5; i++) ask(`bob@x/${i}`);
    state.writable = true;
    handler.mockImplementation(() => {
      state.writable = asked.length < 2;
      return undefined;
    });
    await emit("drain");
    expect([asked.length, handler.mock.calls.length]).toEqual([3, 3]);
    state.writable = true;
    await emit("drain");
    expect(asked).toHaveLength(4);
  });

  it("are refused beyond bounds, of all and of each account, with a moment to come again", async () => {
    const { state, ask, asked, stats } = setUp();
    state.writable = false;
    for (let i = 0; i < 60; i++) ask(`bob@x/${i}`);
    expect(asked).toEqual(Array.from({ length: 10 }, (_, i) => `bob@x/${50 + i} resource-constraint`));
    for (let i = 0; i < 1_000; i++) ask(`user${i}@x/1`);
    expect([asked.length, stats.throttled, stats.refusals]).toEqual([60, 60, 60]);
    await Promise.resolve();
  });

  it("are refused where they have waited too long, and given up where the stream is gone", async () => {
    const { state, gate, ask, asked, handler, emit } = setUp();
    state.writable = false;
    ask();
    state.now += 9_000;
    state.writable = true;
    await emit("drain");
    expect(asked).toEqual(["bob@x/1 resource-constraint"]);
    state.writable = false;
    ask();
    await emit("offline");
    expect(asked.at(-1)).toBe("bob@x/1 remote-server-timeout");
    ask();
    gate.stop();
    await Promise.resolve();
    expect([asked.length, handler.mock.calls.length]).toEqual([3, 0]);
  });
});
