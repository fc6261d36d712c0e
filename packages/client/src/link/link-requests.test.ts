import type { RequestFrame, StanzapackError } from "@stanzapack/wire";
import { StanzapackError as Fault } from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { inFrames, LinkRequests, type Asked } from "./link-requests.js";

const TIMEOUT_MS = 1_000;
const ASKED: Asked = { type: "subscribe", nodes: ["a@x/a", "/b", "/c"], options: [] };

function setUp() {
  const sent: RequestFrame[] = [];
  const later: [number, StanzapackError][] = [];
  const link = { maxBlockBytes: 4_095, sendFrame: (frame: RequestFrame) => void sent.push(frame) };
  const requests = new LinkRequests(
    () => link,
    TIMEOUT_MS,
    (request, error) => later.push([request, error]),
  );
  return { requests, sent, later };
}

const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const refused = { type: "refused", code: "no-such-service", text: "nobody", retryAfterMs: null } as const;

describe("requests by frame", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("go out four at a time, and tell by place what was refused", async () => {
    const { requests, sent } = setUp();
    const outcomes = Array.from({ length: 6 }, () => requests.ask(ASKED));
    await settled();
    expect(sent.map(({ request }) => request)).toEqual([1, 2, 3, 4]);
    requests.onAnswer({ ...refused, request: 2, targets: [0, 2] });
    requests.onAnswer({ type: "done", request: 2 });
    const outcome = await outcomes[1];
    expect([...(outcome?.refused ?? [])].map(([place, { code, text }]) => [place, code, text])).toEqual([
      [0, "no-such-service", "nobody"],
      [2, "no-such-service", "refused for the same reason as others"],
    ]);
    await settled();
    expect(sent.map(({ request }) => request)).toEqual([1, 2, 3, 4, 5]);
    for (const request of [1, 3, 4, 5]) requests.onAnswer({ type: "done", request });
    await settled();
    requests.onAnswer({ type: "done", request: 6 });
    expect((await outcomes[5])?.refused.size).toBe(0);
  });

  it("are refused as a whole when all is over, with a time to come again", async () => {
    const { requests } = setUp();
    const asked = requests.ask(ASKED);
    await settled();
    requests.onAnswer({ ...refused, code: "busy", request: 1, targets: [], retryAfterMs: 2_000 });
    requests.onAnswer({ type: "done", request: 1 });
    await expect(asked).rejects.toMatchObject({ code: "busy", retryAfterMs: 2_000, origin: "peer" });
  });

  it("come again when they were told to, before those that wait, and no more once the link is gone", async () => {
    const { requests, sent } = setUp();
    const [first, , , , fifth] = Array.from({ length: 5 }, () => {
      const asked = requests.ask(ASKED);
      asked.catch(() => undefined);
      return asked;
    });
    const busy = (request: number): void => {
      requests.onAnswer({ ...refused, code: "busy", request, targets: [], retryAfterMs: 70 });
      requests.onAnswer({ type: "done", request });
    };
    await settled();
    busy(1);
    await vi.advanceTimersByTimeAsync(69);
    expect(sent.length).toBe(4);
    await vi.advanceTimersByTimeAsync(1);
    requests.onAnswer({ type: "done", request: 5 });
    await expect(first).resolves.toMatchObject({ request: 5 });
    await settled();
    busy(6);
    await settled();
    requests.fail(new Fault("disconnected", "gone"));
    await expect(fifth).rejects.toMatchObject({ code: "disconnected" });
    expect(sent.length).toBe(6);
  });

  it("are waited for as long as answers come, and then so long", async () => {
    const { requests, later } = setUp();
    const asked = requests.ask(ASKED);
    asked.catch(() => undefined);
    for (let i = 0; i < 5; i++) {
      await vi.advanceTimersByTimeAsync(TIMEOUT_MS - 1);
      requests.onAnswer({ type: "grant", request: 1, aliases: [i], options: [], positions: null });
    }
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS + 1);
    await expect(asked).rejects.toMatchObject({ code: "timeout" });
    // A later refusal is about a service that a pattern found.
    requests.onAnswer({ ...refused, request: 1, targets: [] });
    requests.onAnswer({ type: "done", request: 1 });
    expect(later).toMatchObject([[1, { code: "no-such-service" }]]);
  });

  it("end with their link, and none begins after", async () => {
    const { requests, sent } = setUp();
    const asked = Array.from({ length: 5 }, () => requests.ask(ASKED));
    for (const it of asked) it.catch(() => undefined);
    await settled();
    requests.fail(new Fault("disconnected", "gone"));
    for (const it of asked) await expect(it).rejects.toMatchObject({ code: "disconnected" });
    expect(sent.length).toBe(4);
  });
});

it("puts items in as few frames as they fit, and no more than a frame may have", () => {
  const items = Array.from({ length: 25_000 }, (_, i) => i);
  const lists = inFrames(items, 1_000_000, () => 3);
  expect(lists.map(({ length }) => length)).toEqual([10_000, 10_000, 5_000]);
  expect(lists.flat()).toEqual(items);
  // The first item of a frame is longer.
  const narrow = inFrames([1, 2, 3, 4, 5], 30, (_, first) => (first ? 20 : 5));
  expect(narrow).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
});
