import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Runs vitest once to its end. If a test fails, writes vitest's output to stderr at the end.
 *
 * @param {string} program The Node that runs it.
 * @param {readonly string[]} args Arguments after `run`.
 * @param {{ cwd: string, env?: Record<string, string> }} options
 * @returns {Promise<{ passed: boolean, seconds: number, summary: string, failures: readonly string[] }>} `failures`:
 * names of the tests that failed.
 */
export async function runVitest(program, args, { cwd, env = {} }) {
  const folder = mkdtempSync(join(tmpdir(), "stanzapack-vitest-"));
  const report = join(folder, "report.json");
  const startedAt = performance.now();
  const child = spawn(
    program,
    [
      join(cwd, "node_modules", "vitest", "vitest.mjs"),
      ...["run", ...args, "--reporter=json", `--outputFile.json=${report}`],
      ...["--reporter=dot", "--silent=passed-only"],
    ],
    { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk) => (output += chunk));
  const status = await new Promise((resolve) => {
    child.once("error", (error) => {
      output += `${error.message}\n`;
      resolve(null);
    });
    child.once("close", resolve);
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  const result = readReport(report);
  rmSync(folder, { recursive: true });
  const passed = status === 0 && result !== undefined && result.numFailedTests === 0;
  if (!passed) process.stderr.write(output);
  if (result === undefined) return { passed, seconds, summary: "no report", failures: ["no report"] };
  const failures = result.testResults.flatMap(({ name, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === "failed");
    const names = failed.map(({ fullName }) => `${name.slice(cwd.length)}: ${fullName}`);
    return failed.length === 0 && message !== "" ? [`${name.slice(cwd.length)}: ${message}`] : names;
  });
  const { numPassedTests, numFailedTests, numTotalTests } = result;
  const skipped = numTotalTests - numPassedTests - numFailedTests;
  const summary = [
    `${numPassedTests} passed`,
    ...(numFailedTests > 0 ? [`${numFailedTests} failed`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ].join(", ");
  return { passed, seconds, summary, failures };
}

/** The report of a killed run may be incomplete. */
function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
