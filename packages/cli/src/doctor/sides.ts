import type { Check } from "./base/check.js";
import { ACCOUNT_CHECKS } from "./client/account-checks.js";
import { BOSH_CHECKS } from "./client/bosh-checks.js";
import {
  closeClientState,
  createClientState,
  type ClientState,
  type ClientTarget,
} from "./client/client-state.js";
import { COMPONENT_CHECKS } from "./client/component-checks.js";
import { DISCOVERY_CHECKS } from "./client/discovery-checks.js";
import { LINK_CHECKS } from "./client/link-checks.js";
import { LOAD_CHECKS } from "./client/load-checks.js";
import { STREAM_CHECKS, TRANSPORT_CHECKS } from "./client/transport-checks.js";
import type { ComponentState } from "./component/component-state.js";
import { CONFIG_CHECKS } from "./component/config-checks.js";
import { LOGIN_CHECKS, SERVER_CHECKS } from "./component/server-checks.js";
import { REDIS_CHECKS } from "./component/redis-checks.js";
import { STATUS_CHECKS } from "./component/status-checks.js";
import { STORE_CHECKS } from "./component/store-checks.js";
import { runChecks, type Outcome, type RunHooks } from "./base/runner.js";

/** All checks of the component's side, in their order. The login is last: it depends on whether the component runs. */
export const COMPONENT_SIDE: readonly Check<ComponentState>[] = [
  ...CONFIG_CHECKS,
  ...SERVER_CHECKS,
  ...STORE_CHECKS,
  ...REDIS_CHECKS,
  ...STATUS_CHECKS,
  ...LOGIN_CHECKS,
];

/** All checks of a client's side, in their order. Those that send much are last. */
export const CLIENT_SIDE: readonly Check<ClientState>[] = [
  ...ACCOUNT_CHECKS,
  ...DISCOVERY_CHECKS,
  ...TRANSPORT_CHECKS,
  ...BOSH_CHECKS,
  ...STREAM_CHECKS,
  ...COMPONENT_CHECKS,
  ...LINK_CHECKS,
  ...LOAD_CHECKS,
];

/** Checks the component's side. `file`: its config file, or undefined for variables of the environment. */
export async function checkComponentSide(
  file: string | undefined,
  signal: AbortSignal,
  hooks: RunHooks = {},
): Promise<Outcome[]> {
  const state: ComponentState = { file, tlsFails: false, runs: "unknown" };
  try {
    return await runChecks(COMPONENT_SIDE, state, signal, hooks);
  } finally {
    await state.connection?.stop();
  }
}

/** Checks a client's side. */
export async function checkClientSide(
  target: ClientTarget,
  signal: AbortSignal,
  hooks: RunHooks = {},
): Promise<Outcome[]> {
  const state = createClientState(target);
  try {
    return await runChecks(CLIENT_SIDE, state, signal, hooks);
  } finally {
    await closeClientState(state);
  }
}
