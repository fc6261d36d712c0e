import { expect, it } from "vitest";
import { loadPart } from "./load-part.js";

const never = new AbortController().signal;

it("gives the part, or says which one could not be had", async () => {
  expect(await loadPart(Promise.resolve(1), "BOSH", never)).toBe(1);
  const cause = new TypeError("Failed to fetch dynamically imported module");
  await expect(loadPart(Promise.reject(cause), "BOSH", never)).rejects.toMatchObject({
    code: "unreachable",
    message: "the program's part for BOSH cannot be loaded",
    cause,
  });
});

it("waits no longer than it may", async () => {
  const deadline = new AbortController();
  const loading = loadPart(new Promise(() => undefined), "BOSH", deadline.signal);
  const reason = new Error("late");
  deadline.abort(reason);
  await expect(loading).rejects.toBe(reason);
  await expect(loadPart(Promise.reject(new Error("lost")), "BOSH", deadline.signal)).rejects.toBe(reason);
});
