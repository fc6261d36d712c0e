import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { SERVERS } from "./support/stack.js";
import { WHOLE } from "./support/whole.js";

const RUN = fileURLToPath(new URL("../scripts/run.mjs", import.meta.url));
const COUNT = WHOLE ? 2_000 : 1_000;

interface Report {
  readonly stanzas: number;
  readonly opened: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly bystander: { readonly published: number; readonly received: number };
  readonly findings: readonly string[];
}

const run = (...args: string[]): Promise<{ stdout: string }> =>
  promisify(execFile)(process.execPath, [RUN, "fuzz:component", ...args]);

describe("fuzz:component", () => {
  it.each(SERVERS)(
    "finds nothing in a component behind %s, and has looked",
    async (server) => {
      // With findings the program exits with 1, and `run` rejects with its output.
      const { stdout } = await run("--count", String(COUNT), "--seed", "5", "--server", server, "--json");
      const { stanzas, opened, answers, bystander, findings } = JSON.parse(stdout) as Report;
      expect(findings).toEqual([]);
      expect(stanzas).toBe(COUNT);
      expect(opened).toBeGreaterThan(COUNT / 20);
      expect(bystander.received).toBe(bystander.published);
      const seen = ["result", "bad-request", "forbidden", "item-not-found", "feature-not-implemented"];
      const ends = ["malformed", "protocol", "unknown-alias"].map((code) => `BYE ${code}`);
      // Every first link asks for the first three. All others occur dozens of times.
      const byFrame = ["GRANT", "REFUSED no-such-service", "REFUSED not-resumable", "lean"];
      expect(Object.keys(answers)).toEqual(expect.arrayContaining([...seen, ...ends, ...byFrame]));
    },
    // Ten times the usual time beside other files. 2,000 stanzas take half a minute alone.
    600_000,
  );

  it("refuses a server that there is none of", async () => {
    await expect(run("--server", "other")).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--server S"),
    });
  });
});
