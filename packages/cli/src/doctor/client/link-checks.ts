import { connect } from "@stanzapack/client";
import { StanzapackError } from "@stanzapack/wire";
import { failure, ok, warning, type Check } from "../base/check.js";
import { FIX } from "../base/remedies.js";
import type { ClientState } from "./client-state.js";

const LINK_MS = 10_000;
/** Longest wait for the answer to a probe, in ms. The SDK gives its own probe up earlier. */
const PROBE_MS = 12_000;

export const LINK_CHECKS: readonly Check<ClientState>[] = [
  {
    ...{ id: "link", side: "client", deadlineMs: LINK_MS + 2_000, needs: ["component", "one-process"] },
    /** Opens a link with the SDK, as each client does. */
    async run(state, signal) {
      const { jid, component } = state.target;
      const opening = new AbortController();
      const abort = (): void => opening.abort();
      signal.addEventListener("abort", abort);
      try {
        state.client = await connect({
          ...{ jid, component, password: state.password ?? "", timeoutMs: LINK_MS, signal: opening.signal },
          ...(state.url !== undefined && { url: state.url }),
          ...(state.ca !== undefined && { ca: state.ca }),
        });
        return ok(`a link to ${component} is open`);
      } catch (error) {
        if (!(error instanceof StanzapackError)) throw error;
        return failure(`no link to ${component}: ${error.code}: ${error.text}`, FIX.link);
      } finally {
        // The signal is for this check, and the client stays for the next one.
        signal.removeEventListener("abort", abort);
      }
    },
  },
  {
    ...{ id: "lean", side: "client", deadlineMs: PROBE_MS + 2_000, needs: ["link"] },
    async run(state, signal) {
      const { client } = state;
      const kind = await new Promise<"lean" | "ibb">((resolve) => {
        if (client?.envelope?.up === "lean") return resolve("lean");
        client?.on("envelope", resolve);
        const end = (): void => resolve("ibb");
        AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]).addEventListener("abort", end);
      });
      // Later checks log in themselves, and an account has few sessions.
      await client?.close();
      delete state.client;
      if (kind === "lean") return ok("lean stanzas arrive unchanged, so small blocks use them");
      return warning(
        "lean stanzas do not arrive unchanged, or the component's `envelope` is `ibb`: each block takes some 80 bytes more",
        FIX.lean,
      );
    },
  },
];
