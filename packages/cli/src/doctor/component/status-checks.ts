import { STREAM_DOWN } from "@stanzapack/component";
import { failure, ok, skipped, warning, type Check } from "../base/check.js";
import { FIX } from "../base/remedies.js";
import { requestOnce, type HttpReply } from "../network/http.js";
import { configOf, type ComponentState } from "./component-state.js";

const DEADLINE_MS = 8_000;
/** Longest wait for a page, in ms. A component under full load answers within a second. */
const PAGE_MS = 5_000;

export const STATUS_CHECKS: readonly Check<ComponentState>[] = [
  {
    ...{ id: "process", side: "component", deadlineMs: DEADLINE_MS, needs: ["config"] },
    /** Finds out whether the component runs, by its pages and by the lock of its store. */
    async run(state, signal) {
      const held = state.storeHeld === true;
      const url = pagesOf(state);
      if (url === undefined) {
        if (held) {
          state.runs = "running";
          return ok("the component runs: a process has its store");
        }
        if (state.storeHeld === undefined) {
          state.runs = "unknown";
          return skipped(
            "without `metrics` and without a readable store on the disk, nothing shows whether the component runs",
          );
        }
        state.runs = "stopped";
        return warning("the component does not run: no process has its store", FIX.notRunning);
      }
      const health = await page(`${url}/health`, signal);
      if (health?.status === 200) {
        state.runs = "running";
        return ok(`the component runs: ${url}/health answers`);
      }
      state.runs = held ? "running" : "stopped";
      if (held) return warning(`a process has the store, and ${url}/health does not answer`, FIX.notRunning);
      return warning(`the component does not run: ${url}/health does not answer`, FIX.notRunning);
    },
  },
  {
    ...{ id: "ready", side: "component", deadlineMs: DEADLINE_MS, needs: ["config"] },
    async run(state, signal) {
      const url = pagesOf(state);
      if (url === undefined) return skipped("the config has no `metrics`, so there is no page /ready");
      if (state.runs !== "running") return skipped("the component does not run");
      const reply = await page(`${url}/ready`, signal);
      if (reply === undefined) return failure(`${url}/ready does not answer`, FIX.notReady);
      const reasons = reply.body.toString().trim().split("\n");
      if (reply.status === 200) {
        state.runs = "connected";
        return ok(`${url}/ready says: ready`);
      }
      if (reasons.includes(STREAM_DOWN)) state.runs = "down";
      return failure(`the component is not ready: ${reasons.join("; ")}`, FIX.notReady);
    },
  },
];

/** Base of the status pages. Undefined: there are none, or the port is chosen at the start. */
function pagesOf(state: ComponentState): string | undefined {
  const { metrics } = configOf(state);
  if (metrics === undefined || metrics.port === 0) return undefined;
  const { host, port } = metrics;
  // A page that is served at all addresses is served on this machine too.
  const near = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${near.includes(":") ? `[${near}]` : near}:${port}`;
}

/** Undefined if nothing answers. */
async function page(url: string, signal: AbortSignal): Promise<HttpReply | undefined> {
  try {
    return await requestOnce(new URL(url), {}, AbortSignal.any([signal, AbortSignal.timeout(PAGE_MS)]));
  } catch {
    return undefined;
  }
}
