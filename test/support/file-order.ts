import { basename } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The longest end-to-end files, the longest first. If a long file began last, everything would wait for it. */
const LONGEST = [
  ...[
    "faults",
    "network-changes",
    "transports",
    "cli",
    "redis-component",
    "durable",
    "redis-faults",
    "lean",
    "nginx",
    "demo",
    "bench-wire",
  ],
  ...[
    "store",
    "log",
    "map",
    "calls",
    "bystanders",
    "browser",
    "dashboard",
    "joiners",
    "sandbox",
    "cursors",
    "stored-cursors",
  ],
  ...[
    "crash",
    "hold-ups",
    "s2s",
    "doctor",
    "compression",
    "values-flow",
    "budgets",
    "slow-server",
    "client-state",
  ],
];

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONGEST.indexOf(basename(moduleId, ".test.ts"));
  return rank < 0 ? LONGEST.length : rank;
}

/** End-to-end files that mostly wait for clocks. So many workers are left for the unit tests. */
const WAITING = 3;

/**
 * Starts a few end-to-end files that wait, then all unit tests, which compute, then the rest. A worker of Vitest serves
 * one project, and ends when the next file is of the other project. So files of one project stand together: when they
 * were mixed, half of the files began with a new worker, which loads everything again.
 */
export class FileOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const endToEnd = sorted.filter(({ project }) => project.name === "e2e");
    const others = sorted.filter(({ project }) => project.name !== "e2e");
    endToEnd.sort((a, b) => rankOf(a) - rankOf(b));
    return [...endToEnd.slice(0, WAITING), ...others, ...endToEnd.slice(WAITING)];
  }
}
