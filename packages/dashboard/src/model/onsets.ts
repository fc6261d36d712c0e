import type { Finding } from "./findings.js";

/** A finding, and since when it is found, in ms since 1970. */
export interface DatedFinding extends Finding {
  readonly since: number;
}

/** Remembers since when each finding is found, so that what is new stands before what is old. */
export class Onsets {
  private byKey = new Map<string, number>();

  /** Returns the findings of now: `bad` ones first, and of these the newest first. */
  date(findings: readonly Finding[], now: number): DatedFinding[] {
    const before = this.byKey;
    this.byKey = new Map(findings.map(({ key }) => [key, before.get(key) ?? now]));
    const dated = findings.map((finding) => ({ ...finding, since: this.byKey.get(finding.key) ?? now }));
    return dated.sort((a, b) => Number(b.weight === "bad") - Number(a.weight === "bad") || b.since - a.since);
  }

  clear(): void {
    this.byKey.clear();
  }
}
