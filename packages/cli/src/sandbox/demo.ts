import type { Sandbox } from "@stanzapack/sandbox";
import { loadBench, type Demo } from "../base/bench-module.js";
import { streamsOf } from "./sandbox-files.js";

/** Publishes the demo services from the last account, so that the first ones are free. */
export async function startDemo(sandbox: Sandbox): Promise<Demo> {
  const bench = await loadBench("the demo publishers");
  return bench.startDemoPublishers({
    accounts: sandbox.accounts.slice(-1),
    component: streamsOf(sandbox).domain,
    url: sandbox.url,
    ca: sandbox.ca,
  });
}
