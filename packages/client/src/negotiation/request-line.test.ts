import { StanzapackError } from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RequestLine } from "./request-line.js";

const TIMEOUT_MS = 1_000;
const busy = (retryAfterMs: number): StanzapackError =>
  new StanzapackError("busy", "come again", { retryAfterMs });

interface Sent {
  readonly name: number;
  readonly timeoutMs: number;
  answer(): void;
  refuse(error: Error): void;
}

function setUp() {
  const ending = new AbortController();
  const line = new RequestLine(TIMEOUT_MS, ending.signal);
  const sent: Sent[] = [];
  const ended: [number, unknown][] = [];
  const ask = (name: number): void => {
    const request = line.run(
      (timeoutMs) =>
        new Promise<number>((resolve, reject) => {
          sent.push({ name, timeoutMs, answer: () => resolve(name), refuse: reject });
        }),
      `request ${name}`,
    );
    request.then(
      () => ended.push([name, "done"]),
      (error: unknown) => ended.push([name, error]),
    );
  };
  return { ending, sent, ended, ask };
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe("a line of requests", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("sends at most 64 at a time, in the order of the calls", async () => {
    const { sent, ended, ask } = setUp();
    for (let name = 0; name < 100; name++) ask(name);
    await pass(0);
    expect(sent.map(({ name }) => name)).toEqual(Array.from({ length: 64 }, (_, name) => name));
    sent[3]?.answer();
    await pass(0);
    expect(sent[64]?.name).toBe(64);
    expect(ended).toEqual([[3, "done"]]);
  });

  it("sends one at a time once it was refused, and more with each answer", async () => {
    const { sent, ask } = setUp();
    for (let name = 0; name < 20; name++) ask(name);
    await pass(0);
    for (const { refuse } of sent.splice(0)) refuse(busy(100));
    await pass(99);
    expect(sent).toEqual([]);
    await pass(1);
    expect(sent.map(({ name }) => name)).toEqual([0]);
    sent[0]?.answer();
    await pass(0);
    expect(sent.map(({ name }) => name)).toEqual([0, 1, 2]);
    sent[1]?.answer();
    await pass(0);
    expect(sent.map(({ name }) => name)).toEqual([0, 1, 2, 3]);
    sent[2]?.refuse(busy(50));
    sent[3]?.answer();
    await pass(49);
    expect(sent.length).toBe(4);
    await pass(1);
    expect(sent.slice(4).map(({ name }) => name)).toEqual([2, 4]);
  });

  it("is held up for a second at most by a refusal that may be about one request alone", async () => {
    const { sent, ended, ask } = setUp();
    ask(0);
    await pass(0);
    sent[0]?.refuse(busy(5_000));
    await pass(0);
    expect(ended[0]).toMatchObject([0, { code: "busy" }]);
    await pass(500);
    ask(1);
    await pass(499);
    expect(sent.length).toBe(1);
    await pass(1);
    expect(sent[1]?.name).toBe(1);
  });

  it("gives up a request when none was taken for as long as one may wait", async () => {
    const { sent, ended, ask } = setUp();
    for (let name = 0; name < 66; name++) ask(name);
    await pass(0);
    expect(sent[0]?.timeoutMs).toBe(TIMEOUT_MS);
    await pass(600);
    sent[0]?.answer();
    await pass(0);
    // An answer came meanwhile: the 65th request has its whole time.
    expect(sent[64]).toMatchObject({ name: 64, timeoutMs: TIMEOUT_MS });
    await pass(TIMEOUT_MS);
    sent[1]?.refuse(new StanzapackError("timeout", "no answer"));
    await pass(0);
    expect(ended.slice(1)).toMatchObject([
      [1, { code: "timeout" }],
      [65, { code: "timeout", message: expect.stringContaining("request 65: no answer") }],
    ]);
  });

  it("says that the component is busy where a request was refused before its time ended", async () => {
    const { sent, ended, ask } = setUp();
    ask(0);
    await pass(0);
    sent[0]?.refuse(busy(900));
    await pass(900);
    expect(sent[1]?.timeoutMs).toBe(100);
    sent[1]?.refuse(new StanzapackError("timeout", "no answer"));
    await pass(0);
    expect(ended).toMatchObject([[0, { code: "busy", retryAfterMs: 900 }]]);
  });

  it("gives up a request that is refused again and again, also while others are taken", async () => {
    const { sent, ended, ask } = setUp();
    ask(0);
    await pass(0);
    for (let name = 1; ended.every(([other]) => other !== 0); name++) {
      sent.find((request) => request.name === 0)?.refuse(busy(300));
      sent.length = 0;
      ask(name);
      await pass(300);
      sent.find((request) => request.name === name)?.answer();
      await pass(0);
      expect(name).toBeLessThan(10);
    }
    expect(ended.find(([name]) => name === 0)).toMatchObject([0, { code: "busy" }]);
    expect(ended.length).toBeGreaterThan(2);
  });

  it("lets all go when the client ends", async () => {
    const { ending, sent, ended, ask } = setUp();
    for (let name = 0; name < 70; name++) ask(name);
    await pass(0);
    sent[0]?.refuse(busy(500));
    ending.abort();
    await pass(0);
    let ends = 0;
    while (sent.length > 0) {
      for (const { refuse } of sent.splice(0)) refuse(new StanzapackError("stopped", "stopped"));
      ends++;
      await pass(0);
    }
    expect(ends).toBeLessThan(70);
    expect(ended.length).toBe(70);
  });
});
