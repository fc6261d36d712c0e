import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MAX_TEXT_CHARS, parseCsv, parseParagraphs, readParagraphs, readWeather } from "./data-files.js";
import { createCpuGauge, readActivity, readMemory, readNetwork } from "./machine.js";
import { createSources, irregular, looped } from "./sources.js";

describe("timers", () => {
  beforeEach(() => void vi.useFakeTimers({ now: 1_000 }));
  afterEach(() => void vi.useRealTimers());

  test("looped goes round, and on where it stopped", () => {
    const source = looped(100, ["a", "b", "c"]);
    const said: unknown[] = [];
    const stop = source.start((value) => said.push(value));
    vi.advanceTimersByTime(200);
    stop();
    vi.advanceTimersByTime(1_000);
    source.start((value) => said.push(value));
    vi.advanceTimersByTime(200);
    expect(said).toEqual(["a", "b", "c", "a"]);
  });

  test("irregular tells a change after its pause, and speaks without one when it has waited long enough", () => {
    let processes = 1;
    const said: unknown[] = [];
    const stop = irregular(
      () => ({ processes }),
      () => 2_000,
    ).start((value) => said.push([Date.now(), value]));
    vi.advanceTimersByTime(100);
    processes = 2;
    vi.advanceTimersByTime(2_000);
    vi.advanceTimersByTime(3_000);
    stop();
    vi.advanceTimersByTime(10_000);
    expect(said).toEqual([
      [1_100, { processes: 1 }],
      [3_100, { processes: 2 }],
      [5_300, { processes: 2 }],
    ]);
  });

  test("a source that was stopped is silent", () => {
    const said: unknown[] = [];
    for (const source of Object.values(createSources())) source.start((value) => said.push(value))();
    vi.advanceTimersByTime(10_000);
    expect(said).toEqual([]);
  });
});

describe("this machine", () => {
  test("the cpu gauge gives per cent busy since the call before", () => {
    const times = { user: 100, nice: 0, sys: 0, irq: 0, idle: 300 };
    const gauge = createCpuGauge(() => [{ model: "", speed: 0, times: { ...times } }]);
    expect(gauge()).toBe(25);
    times.user += 10;
    times.idle += 20;
    expect(gauge()).toBe(33.3);
    expect(gauge()).toBe(33.3);
  });

  test("network counters add up over the interfaces", () => {
    const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       2    0    0    0     0          0         0      100       2    0    0    0     0       0          0
  eth0:    1000      20    0    0    0     0          0         0      500      10    0    0    0     0       0          0
`;
    expect(readNetwork(text)).toEqual({ rxBytes: 1_100, rxPackets: 22, txBytes: 600, txPackets: 12 });
  });

  test("readings are finite numbers", () => {
    for (const reading of [readMemory(), { ...readNetwork() }, { ...readActivity() }])
      for (const value of Object.values(reading)) expect(Number.isFinite(value)).toBe(true);
  });
});

describe("data", () => {
  test("weather has typed rows", () => {
    const rows = readWeather();
    expect(rows.length).toBe(1_461);
    expect(rows[0]).toEqual({
      date: "2012-01-01",
      precipitation: 0,
      temp_max: 12.8,
      temp_min: 5,
      wind: 4.7,
      weather: "drizzle",
    });
  });

  test("parseCsv leaves text as text, and nothing as nothing", () => {
    expect(parseCsv("a,b\n1,x\n,2e3\n")).toEqual([
      { a: 1, b: "x" },
      { a: "", b: 2_000 },
    ]);
  });

  test("texts are on one line, not empty, and not too long", () => {
    expect(parseParagraphs(" one\n two\n\n \n\nthree")).toEqual(["one two", "three"]);
    const paragraphs = readParagraphs();
    expect(paragraphs.length).toBeGreaterThan(3);
    expect(Math.max(...paragraphs.map((text) => text.length))).toBeLessThanOrEqual(MAX_TEXT_CHARS);
  });
});
