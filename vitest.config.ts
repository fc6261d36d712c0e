import { defineConfig } from "vitest/config";

// Tests run on the sources, without a build: the condition is in every package's `exports`.
const resolve = { conditions: ["stanzapack-source"] };
const ssr = { resolve: { conditions: ["stanzapack-source", "node", "import", "module", "default"] } };

/** Servers that stall and flood: a minute and a half of waiting, which the other unit tests are to be free of. */
const HOSTILE = "packages/*/src/**/hostile-*.test.ts";

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "vectors/**/*.test.ts"],
          exclude: [HOSTILE],
          environment: "node",
          // What takes a second alone takes ten on a busy machine; a hang is still found.
          testTimeout: 60_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: "hostile",
          sequence: { groupOrder: 1 },
          include: [HOSTILE],
          environment: "node",
          testTimeout: 60_000,
          // Memory at its peak also depends on when the engine collects; what grows without bound fails twice.
          retry: 1,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: "e2e",
          // After the unit tests, which are quicker to tell what is wrong.
          sequence: { groupOrder: 2 },
          include: ["test/**/*.test.ts"],
          environment: "node",
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Two cores, each file starts servers of its own.
          maxWorkers: 2,
        },
      },
    ],
  },
});
