import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { createStats } from "../base/stats.js";
import { createMetrics } from "./metrics.js";

const read = (path: string): string => readFileSync(new URL(`../../../../${path}`, import.meta.url), "utf8");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string };
}
const RULES = (
  parse(read("docker/monitoring/alerts.yml")) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  }
).groups.flatMap(({ rules }) => rules);

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly description?: string;
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } };
  readonly gridPos: { readonly x: number; readonly w: number };
  readonly targets?: readonly { readonly expr: string }[];
}
const PANELS = (
  JSON.parse(read("docker/monitoring/grafana-dashboard.json")) as { readonly panels: readonly Panel[] }
).panels;

const EXPRESSIONS = [
  ...RULES.map(({ alert, expr }): [string, string] => [alert, expr]),
  ...PANELS.flatMap(({ title, targets = [] }) => targets.map(({ expr }): [string, string] => [title, expr])),
];

/** Names of all series of a component, and of all their labels. */
let series: Set<string>;
let labels: Set<string>;
beforeAll(async () => {
  const nothing = { links: { lean: 0, ibb: 0 }, suspendedLinks: 0, oldestUnackedMs: 0 };
  const survey = {
    ...{ ...nothing, services: [{ kind: "value" as const, online: true, count: 1 }] },
    ...{ subscriptions: new Map([["link" as const, 1]]), waiting: { credit: 0, room: 0 } },
    waitingRows: { count: 0, bytes: 0, oldestMs: 0 },
  };
  const stats = createStats();
  const text = await createMetrics({
    ...{ stats: () => stats, survey: () => survey, online: () => true, cursors: () => 0 },
    ...{ memory: () => ({ lanes: 0, logs: 0, maps: 0 }), store: () => undefined },
  }).text();
  // Metrics with labels may have no series yet. So their names are read from the lines of their types.
  const types = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name = "", type]) =>
    type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  );
  series = new Set(types);
  labels = new Set([
    ...[...text.matchAll(/[{,](\w+)="/g)].map(([, name = ""]) => name),
    ...["job", "instance", "reason", "type", "form"],
  ]);
});

describe("the files of docker/monitoring", () => {
  it("use metrics and labels that there are", () => {
    for (const [title, expr] of EXPRESSIONS) {
      const names = [...expr.matchAll(/\b(?:stanzapack|nodejs|process)_\w+/g)].map(([name]) => name);
      if (!expr.startsWith("up{")) expect(names, title).not.toEqual([]);
      for (const name of names) expect(series, title).toContain(name);
      const used = [
        ...[...expr.matchAll(/[{,](\w+)=~?"/g)].map(([, name = ""]) => name),
        ...[...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(/,\s*/)),
      ];
      for (const name of used) expect(labels, title).toContain(name);
    }
  });

  it("have a unit, an explanation and a place for each chart", () => {
    for (const { type, title, description, fieldConfig, gridPos } of PANELS) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      if (type === "row") continue;
      expect(description, title).toMatch(/\.$/);
      expect(fieldConfig?.defaults.unit, title).toMatch(/\w/);
    }
  });

  it("have a name of its own, a summary and a row in the guide for each alarm", () => {
    const names = RULES.map(({ alert }) => alert);
    expect(new Set(names).size).toBe(names.length);
    for (const { alert, annotations } of RULES) expect(annotations.summary, alert).toMatch(/\.$/);
    const rows = [...read("docs/guides/operating.md").matchAll(/^\| `(Stanzapack\w+)` \|/gm)].map(
      ([, name]) => name,
    );
    expect(rows).toEqual(names);
  });
});
