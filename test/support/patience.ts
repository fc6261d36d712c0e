import { vi } from "vitest";

// `vi.waitFor` and `expect.poll` give up after a second, which a busy machine needs for less. Only a test that fails
// takes longer.

/** Longest wait for a condition, in ms, unless the test names one. Set for `expect.poll` in vitest.config.ts. */
const PATIENCE_MS = 60_000;

type WaitFor = typeof vi.waitFor & { isPatient?: true };
const waitFor: WaitFor = vi.waitFor;

// The files of one worker share `vi`.
if (waitFor.isPatient !== true) {
  const patient: typeof vi.waitFor = (check, options = {}) =>
    waitFor(check, typeof options === "number" ? options : { timeout: PATIENCE_MS, ...options });
  vi.waitFor = Object.assign(patient, { isPatient: true as const });
}
