import { describe, expect, test } from "vitest";
import { judgePrefix, judgeReplicas, judgeSettings, judgeVersion } from "./redis-checks.js";

const NEEDED = [
  { setting: "appendonly", is: /^yes$/, wanted: "yes", why: "a restart loses updates" },
  { setting: "appendfsync", is: /^always$/, wanted: "always", why: "a power cut loses updates" },
];
const settingsOf = (settings: Readonly<Record<string, string>>) => new Map(Object.entries(settings));

test.each([
  ["7.0.15", "ok"],
  // The version that Valkey tells as Redis's.
  ["7.2.4", "ok"],
  ["10.1.0", "ok"],
  ["6.2.14", "failure"],
  [undefined, "ok"],
])("version %s: %s", (version, result) => {
  expect(judgeVersion(version)).toMatchObject({ result });
});

describe("the settings", () => {
  test("that are right", () => {
    const settings = settingsOf({ appendonly: "yes", appendfsync: "always" });
    expect(judgeSettings({ needed: NEEDED, settings }).result).toBe("ok");
  });

  test("that are wrong are all named, with what to set", () => {
    const settings = settingsOf({ appendonly: "no", appendfsync: "everysec" });
    expect(judgeSettings({ needed: NEEDED, settings })).toEqual({
      result: "failure",
      found: "`appendonly no`: a restart loses updates; `appendfsync everysec`: a power cut loses updates",
      fix: "Set `appendonly yes`, `appendfsync always` in redis.conf, and restart Redis. CONFIG SET sets them at once.",
    });
  });

  test("that Redis does not tell", () => {
    expect(judgeSettings({ needed: NEEDED, settings: undefined })).toMatchObject({ result: "warning" });
  });
});

describe("the replicas", () => {
  const told = (replicas: number | undefined, least: string) => ({
    replicas,
    settings: settingsOf({ "min-replicas-to-write": least }),
  });
  test.each([
    ["none wanted, no sentinel", 0, false, told(0, "0"), "skipped"],
    ["none wanted, but a sentinel fails over", 0, true, told(1, "1"), "warning"],
    ["fewer than wanted", 2, true, told(1, "1"), "failure"],
    ["a primary that would write alone", 1, true, told(1, "0"), "warning"],
    ["as wanted", 1, true, told(2, "1"), "ok"],
    ["not told", 1, true, told(undefined, "1"), "skipped"],
  ] as const)("%s", (_, wanted, mayFailOver, state, result) => {
    expect(judgeReplicas(wanted, mayFailOver, state).result).toBe(result);
  });
});

describe("the prefix", () => {
  const store = { storeVersion: "1", ownStoreVersion: "1", services: 3 };
  const nodes = new Map([
    ["streams.test", 500],
    ["streams2.test", 900],
    ["gone.test", 60_000],
  ]);
  const judge = (isNode: boolean, state: Partial<Parameters<typeof judgePrefix>[3]> = {}) =>
    judgePrefix("p:", "streams.test", isNode, { ...store, nodes: new Map(), ...state });

  test("of a component that is alone", () => {
    expect(judge(false)).toEqual({ result: "ok", found: "`p:` has 3 services" });
    expect(judge(false, { storeVersion: undefined }).found).toBe("`p:` has no store yet");
  });

  test("of nodes names the others that live", () => {
    expect(judge(true, { nodes })).toEqual({
      result: "ok",
      found: "`p:` has 3 services, and is also used by streams2.test",
    });
  });

  test("that others use fails for a component that is no node", () => {
    expect(judge(false, { nodes })).toMatchObject({
      result: "failure",
      found: "`p:` is used by streams2.test, and this component is no node",
    });
  });

  test("of another version fails", () => {
    expect(judge(true, { storeVersion: "2" }).result).toBe("failure");
  });
});
