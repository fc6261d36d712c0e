import { describe, expect, it } from "vitest";
import { Readings } from "./data.js";
import { createJsonCopy } from "./json-copy.js";
import { measureLive } from "./live-changes.js";
import { formatCatchUpReport } from "./report.js";
import type { CatchUpForm, CatchUpRow } from "./rows.js";
import { runCatchUp } from "./run.js";
import { judgeCatchUp } from "./targets.js";

const row = (form: CatchUpForm, changed: number, bytes: number | null): CatchUpRow => ({
  ...{ form, keys: 100_000, changed, bytes, ms: bytes === null ? null : 7 },
});

describe("the report of bench catchup", () => {
  it("judges each target, and writes what is missed first", () => {
    const rows = [
      ...[row("stanzapack", 1, 230_000), row("stanzapack", 0.001, 9_999), row("stanzapack", 0.01, 6_000)],
      ...[row("json", 1, 200_000), row("json", 0.001, 1), row("json", 0.01, 5_000)],
      row("pouchdb", 0.01, 50_000),
      ...[row("live", 0.001, 4.1), row("services", 0.001, 3)],
    ];
    expect(judgeCatchUp(rows).map(({ met }) => met)).toEqual([true, false, true, true]);
    const report = formatCatchUpReport(rows);
    expect(report).toMatch(/^✗ 1 % of the keys: at most a tenth of PouchDB's bytes: 0.12\n✓/);
    expect(report).toMatch(/│ stanzapack │ 100,000 │ +1 % │ +6,000 │ +6.00 │ +7 │/);
  });

  it("says what was not measured", () => {
    const rows = [row("stanzapack", 0.01, 1), row("pouchdb", 0.01, null)];
    expect(judgeCatchUp(rows).map(({ met }) => met)).toEqual([
      ...[undefined, undefined, undefined, undefined],
    ]);
    expect(formatCatchUpReport(rows)).toMatch(/│ pouchdb +│ 100,000 │ +1 % │ +– │ +– │ +– │/);
    expect(formatCatchUpReport([])).toBe("Nothing was measured.");
  });
});

describe("the map of bench catchup", () => {
  it("is the same each time, and so are its changes", () => {
    const [one, two] = [new Readings(1_000), new Readings(1_000)];
    expect([...one.map]).toEqual([...two.map]);
    const changes = one.change(0.01);
    expect([...changes]).toEqual([...two.change(0.01)]);
    expect(changes.size).toBe(10);
    for (const [key, value] of changes) expect(one.map.get(key)).toBe(value);
  });

  it("travels as JSON in fewer bytes than it has", async () => {
    const readings = new Readings(1_000);
    const { bytes } = await createJsonCopy().catchUp(readings.map);
    expect(bytes).toBeGreaterThan(2_000);
    expect(bytes).toBeLessThan(JSON.stringify([...readings.map]).length / 3);
  });

  it("takes about a byte more for a live change than a service for each key", () => {
    const { signal } = new AbortController();
    const forms = ["live", "services"] as const;
    const rows = forms.flatMap((form) => measureLive(form, signal, { parts: [0.001], counted: 5 }));
    expect(rows.map(({ form, changed }) => [form, changed])).toEqual(forms.map((form) => [form, 0.001]));
    expect(judgeCatchUp(rows).at(-1)?.met).toBe(true);
  });

  it("is not measured in a form that is not installed", async () => {
    const notices: string[] = [];
    const rows = await runCatchUp({
      ...{ forms: ["pouchdb"], keys: 10, modules: "/nowhere", onNotice: (text) => void notices.push(text) },
    });
    expect(rows.map(({ changed, bytes }) => [changed, bytes])).toEqual(
      [1, 0.001, 0.01, 0.1].map((changed) => [changed, null]),
    );
    expect(notices.join()).toContain("npm install --prefix DIR pouchdb");
  });
});
