import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { callGuarded, createListeners } from "./listeners.js";
import { until } from "../testing/until.js";

const warnings: string[] = [];
const onWarning = ({ message }: Error): void => void warnings.push(message);
beforeEach(() => {
  warnings.length = 0;
  process.on("warning", onWarning);
});
afterEach(() => {
  process.off("warning", onWarning);
});

describe("listeners", () => {
  const thrown: readonly (readonly [string, unknown])[] = [
    ["an error", new Error("mine")],
    ["a text", "mine"],
    ["nothing", undefined],
    ["what has no text", Object.create(null)],
    ["what refuses to be text", { toString: () => JSON.parse("{") as string }],
  ];

  it.each(thrown)("that throw %s are warned of and harm nobody", async (_, error) => {
    const listeners = createListeners<{ news: (text: string) => void }>();
    const heard: string[] = [];
    listeners.on("news", () => {
      throw error;
    });
    listeners.on("news", (text) => heard.push(text));
    listeners.emit("news", "one");
    expect(heard).toEqual(["one"]);
    await until(() => warnings.length === 1);
    expect(warnings[0]).toContain('a listener of "news" failed');
  });

  it.each(thrown)("that reject with %s are warned of too", async (_, error) => {
    const listeners = createListeners<{ news: () => unknown }>();
    listeners.on("news", () => Promise.reject(error as Error));
    listeners.emit("news");
    await until(() => warnings.length === 1);
  });

  it("that return another library's promise are waited for alike", async () => {
    const thenable = { then: (_: unknown, reject: (error: Error) => void) => reject(new Error("mine")) };
    callGuarded("a handler", () => thenable);
    await until(() => warnings.length === 1);
    expect(warnings[0]).toContain("mine");
  });
});
