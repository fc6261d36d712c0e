import { StanzapackError } from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import { LinkEnd } from "./link-end.js";

const gone = new StanzapackError("disconnected", "gone");
const never = new Promise<never>(() => undefined);

describe("the end of a link", () => {
  it("is told in the place of an answer, before it, with it and after it", async () => {
    const over = new LinkEnd();
    expect(await over.unless(Promise.resolve(1))).toBe(1);
    await expect(over.unless(Promise.reject(new Error("no")))).rejects.toThrow("no");
    const waiting = over.unless(never);
    let answer: ((value: number) => void) | undefined;
    const together = over.unless(new Promise<number>((resolve) => (answer = resolve)));
    answer?.(1);
    over.end(gone);
    await expect(waiting).rejects.toBe(gone);
    await expect(together).rejects.toBe(gone);
    await expect(over.unless(Promise.resolve(1))).rejects.toBe(gone);
    await expect(over.unless(never)).rejects.toBe(gone);
  });

  it("holds nothing of what was answered", async () => {
    const over = new LinkEnd();
    for (let i = 0; i < 1_000; i++) await over.unless(Promise.resolve(i));
    expect((over as unknown as { waiting: Set<unknown> }).waiting.size).toBe(0);
  });
});
