import { afterEach, expect, it, vi } from "vitest";
import { Emitter } from "./emitter.js";

interface Events {
  news: (text: string) => void;
}

function catchUncaught(): unknown[] {
  const errors: unknown[] = [];
  vi.stubGlobal("reportError", (error: unknown) => errors.push(error));
  return errors;
}
afterEach(() => vi.unstubAllGlobals());

it("keeps a listener's exception from whoever emits and from the other listeners, and reports it", () => {
  const uncaught = catchUncaught();
  const heard: string[] = [];
  const emitter = new Emitter<Events>();
  for (const add of ["on", "once", "addListener"] as const)
    emitter[add]("news", (text) => {
      heard.push(`${add} ${text}`);
      throw new Error(add);
    });
  emitter.on("news", (text) => heard.push(`last ${text}`));
  expect(emitter.emit("news", "a")).toBe(true);
  expect(emitter.emit("news", "b")).toBe(true);
  expect(heard).toEqual(["on a", "once a", "addListener a", "last a", "on b", "addListener b", "last b"]);
  expect(uncaught).toMatchObject(
    ["on", "once", "addListener", "on", "addListener"].map((message) => ({ message })),
  );
});

it("gives back, removes and calls the listeners that it was given, with their context", () => {
  const emitter = new Emitter<Events>();
  const seen: unknown[] = [];
  const listener = function (this: unknown): void {
    seen.push(this);
  };
  const context = { name: "context" };
  emitter.on("news", listener, context).once("news", listener);
  expect(emitter.listeners("news")).toEqual([listener, listener]);
  emitter.emit("news", "");
  expect(seen).toEqual([context, emitter]);
  expect(emitter.listenerCount("news")).toBe(1);
  emitter.off("news", listener);
  expect(emitter.listenerCount("news")).toBe(0);
  emitter.on("news", listener).removeListener("news");
  expect(emitter.listenerCount("news")).toBe(0);
});

it("is an uncaught exception of the program, after the turn that emitted", async () => {
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  const order: string[] = [];
  const uncaught = new Promise<unknown>((resolve) => process.once("uncaughtException", resolve));
  const emitter = new Emitter<Events>();
  emitter.on("news", () => {
    throw new Error("mine");
  });
  emitter.emit("news", "");
  order.push("emitted");
  expect(await uncaught.then((error) => [...order, error])).toMatchObject(["emitted", { message: "mine" }]);
  for (const other of others) process.on("uncaughtException", other);
});
