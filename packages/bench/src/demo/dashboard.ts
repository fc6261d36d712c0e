import { createDashboard, type Dashboard } from "@stanzapack/dashboard";
import type { Row } from "./measurement.js";
import type { Account } from "./publishers.js";
import type { SandboxProcess } from "./sandbox-process.js";

/**
 * Serves the dashboard to this machine. It logs in by itself with `account`, which is an administrator of the private
 * component and which nothing else uses. `rows`: the bytes of each form so far.
 */
export function serveDashboard(
  { streams, websocketUrl, boshUrl }: SandboxProcess,
  account: Account,
  rows: () => readonly Row[],
): Promise<Dashboard> {
  return createDashboard({
    settings: { component: streams, websocketUrl, boshUrl, account },
    comparison: () => ({ rows: rows() }),
  });
}
