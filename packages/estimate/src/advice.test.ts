import { expect, test } from "vitest";
import { adviseOn } from "./advice.js";
import { Estimator } from "./estimator.js";

async function advise(profile: "default" | "compact"): Promise<string> {
  const estimator = new Estimator({ workload: "int", cuts: [{ batch: 1 }, { batch: 100 }], profile });
  let [x, state] = [500, 1];
  for (let i = 0; i < 300; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    await estimator.add({ x: (x += Math.round((state / 2 ** 32 - 0.5) * 6)) });
  }
  return adviseOn(await estimator.finish()).join("\n");
}

test("says where JSON is smaller, and what the packet underneath costs", async () => {
  const advice = await advise("default");
  expect(advice).toMatch(
    /^tcp, zlib: 1 a stanza: stay with JSON \(json-body \d+\.?\d* bytes, Stanzapack 1\d\.\d\)/m,
  );
  expect(advice).toMatch(/100 a stanza: Stanzapack, \d\.\d times smaller than json-batch/);
  expect(advice).toContain("costs about 74 bytes more, so that JSON's few bytes less hardly show");
  expect(advice).toMatch(
    /^Smallest of all: stanzapack, 100 a stanza, tcp, zlib: \d\.\d\d bytes an update\.$/m,
  );
  expect(advice).toContain("--profile compact");
});

test("does not send those to compact who are there", async () => {
  expect(await advise("compact")).not.toContain("--profile");
});

test("has nothing to say about nothing", () => {
  expect(adviseOn([])).toEqual([]);
});
