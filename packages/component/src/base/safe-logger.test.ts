import { pino } from "pino";
import { afterEach, expect, it, vi } from "vitest";
import { safeLogger } from "./safe-logger.js";

afterEach(() => vi.unstubAllGlobals());

it("logs as the logger does, at the level that it has now", () => {
  const lines: string[] = [];
  const log = safeLogger(pino({ level: "warn" }, { write: (line) => void lines.push(line) }));
  log.info("left out");
  log.level = "info";
  log.info({ a: 1 }, "first");
  log.child({ part: "x" }).warn("second");
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { a: 1, msg: "first" },
    { part: "x", msg: "second" },
  ]);
});

it("keeps what a logger throws from whoever logs, also in a child", () => {
  const uncaught: unknown[] = [];
  vi.stubGlobal("reportError", (error: unknown) => uncaught.push(error));
  const full = (): never => {
    throw new Error("the disk is full");
  };
  const log = safeLogger(pino({}, { write: full }));
  log.info("lost");
  log.child({}).error("lost too");
  expect(uncaught).toMatchObject([{ message: "the disk is full" }, { message: "the disk is full" }]);
});
