import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { FileOrder } from "./test/support/file-order.js";

// Unit tests run on the sources, without a build: the condition is in every package's `exports`. End-to-end tests run on
// what is built, as users have it. So Node itself loads the packages, which takes a tenth less processor time.
const resolve = { conditions: ["stanzapack-source"] };
const ssr = { resolve: { conditions: ["stanzapack-source", "node", "import", "default"] } };

export default defineConfig({
  test: {
    // End-to-end files mostly wait: six of them keep two processors busy.
    maxWorkers: Math.max(6, availableParallelism()),
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
          setupFiles: ["test/support/leftovers.ts", "test/support/patience.ts"],
          expect: { poll: { timeout: 60_000 } },
          // What takes two seconds alone takes thirty on a busy machine; a hang is still found.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "e2e",
          globalSetup: "test/support/build.ts",
          server: { deps: { external: [/\/packages\/[^/]+\/dist\//] } },
          include: ["test/**/*.test.ts"],
          environment: "node",
          isolate: false,
          setupFiles: ["test/support/patience.ts"],
          expect: { poll: { timeout: 60_000 } },
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
