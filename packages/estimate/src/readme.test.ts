import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as estimate from "./index.js";

test("the README's example prints what stands below it", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = /```ts\n([^]*?)```/.exec(readme)?.[1] ?? "";
  const printed: string[] = [];
  const body = code.replace(/import (.*) from .*;/, "const $1 = estimate;");
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const run = new Function("estimate", "console", `return (async () => {${body}})()`) as (
    ...args: unknown[]
  ) => Promise<void>;
  await run(estimate, { log: (...words: unknown[]) => printed.push(words.join(" ")) });
  const expected = [...code.matchAll(/^\/\/ (.*)$/gm)].map(([, line]) => line);
  expect(printed).toEqual(expected);
});
