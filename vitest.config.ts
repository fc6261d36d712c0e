import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { FileOrder } from "./test/support/file-order.js";

// Tests run on the sources, without a build: the condition is in every package's `exports`.
const resolve = { conditions: ["stanzapack-source"] };
const ssr = { resolve: { conditions: ["stanzapack-source", "node", "import", "module", "default"] } };

export default defineConfig({
  test: {
    // End-to-end files mostly wait: five of them, with unit tests in between, keep two processors busy.
    maxWorkers: Math.max(5, availableParallelism()),
    sequence: { sequencer: FileOrder },
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "vectors/**/*.test.ts"],
          environment: "node",
          // Files of one worker share the modules that they import: importing them took half of the processor time.
          isolate: false,
          // What takes two seconds alone takes thirty on a busy machine; a hang is still found.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: "e2e",
          include: ["test/**/*.test.ts"],
          environment: "node",
          isolate: false,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
