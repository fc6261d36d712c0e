import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createLogger } from "./component-logger.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function logged(level = "info") {
  const lines: { level: number; msg: string; omitted?: number }[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as (typeof lines)[number]);
  return { lines, log: createLogger(level, { write }) };
}

test("of a kind twenty lines are written in 10 s, then one that counts the rest", () => {
  const { lines, log } = logged();
  for (let i = 0; i < 50; i++) log.info({ jid: `u${i}@localhost` }, `link ended: reason ${i}`);
  expect(lines).toHaveLength(20);
  vi.advanceTimersByTime(10_000);
  expect(lines.at(-1)).toMatchObject({ omitted: 30, msg: "link ended: 30 more lines were omitted" });
  log.info("link ended: again");
  expect(lines.at(-1)).toMatchObject({ msg: "link ended: again" });
  vi.advanceTimersByTime(10_000);
  expect(lines).toHaveLength(22);
});

test("another kind, the same text at another level, and errors are written", () => {
  const { lines, log } = logged();
  for (let i = 0; i < 25; i++) log.info("link opened");
  log.info("service offered");
  log.warn("link opened");
  for (let i = 0; i < 25; i++) log.error("a request could not be handled");
  expect(lines.filter(({ msg }) => msg === "link opened")).toHaveLength(21);
  expect(lines.filter(({ msg }) => msg === "service offered")).toHaveLength(1);
  expect(lines.filter(({ level }) => level === 50)).toHaveLength(25);
});

test("lines below the level are neither written nor counted", () => {
  const { lines, log } = logged("warn");
  for (let i = 0; i < 50; i++) log.info("link opened");
  vi.advanceTimersByTime(10_000);
  expect(lines).toEqual([]);
});
