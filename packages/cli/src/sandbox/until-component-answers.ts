import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "@stanzapack/client";
import type { Sandbox } from "@stanzapack/sandbox";
import { streamsOf } from "./sandbox-files.js";

/** Longest wait, in ms. The component reconnects by itself, with a backoff that doubles. */
const ANSWER_MS = 30_000;
const RETRY_MS = 100;

/** Waits until an account gets a link to the component. So the line that is printed afterwards is true. */
export async function untilComponentAnswers(sandbox: Sandbox): Promise<void> {
  const [account] = sandbox.accounts;
  if (account === undefined) return;
  const deadline = performance.now() + ANSWER_MS;
  for (;;) {
    try {
      const client = await connect({
        ...account,
        component: streamsOf(sandbox).domain,
        url: sandbox.url,
        ca: sandbox.ca,
        timeoutMs: 5_000,
      });
      await client.close();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(RETRY_MS);
    }
  }
}
