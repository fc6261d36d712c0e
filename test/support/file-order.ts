import { basename } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The longest end-to-end files, the longest first. If a long file began last, everything would wait for it. */
const LONGEST = [
  ...["faults", "bench-wire", "cli", "network-changes", "bystanders", "nginx", "demo", "store", "transports"],
  ...[
    "calls",
    "crash",
    "joiners",
    "log",
    "sandbox",
    "client-state",
    "browser",
    "budgets",
    "bytestreams",
    "slow-server",
  ],
];

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONGEST.indexOf(basename(moduleId, ".test.ts"));
  return rank < 0 ? LONGEST.length : rank;
}

/** Mixes `few` evenly into `many`, and keeps both orders. One of `few` is first. */
function spread<T>(few: readonly T[], many: readonly T[]): T[] {
  const step = Math.ceil(many.length / Math.max(1, few.length));
  const all = few.flatMap((one, i) => [one, ...many.slice(i * step, (i + 1) * step)]);
  return [...all, ...many.slice(few.length * step)];
}

/**
 * Mixes files that wait (end to end) with files that compute (unit tests). So both processors are busy from the first
 * minute to the last.
 */
export class FileOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const endToEnd = sorted.filter(({ project }) => project.name === "e2e");
    const others = sorted.filter(({ project }) => project.name !== "e2e");
    endToEnd.sort((a, b) => rankOf(a) - rankOf(b));
    return spread(endToEnd, others);
  }
}
