import type { ComponentConfig, RedisState, ResolvedConfig, StoreState } from "@stanzapack/component";
import type { Connection } from "@stanzapack/xmpp";

/**
 * Whether a component with this config runs. `down`: it runs without a stream to the server, so a second login takes
 * nothing from it. `running`: nothing says whether it is connected.
 */
export type RunState = "connected" | "down" | "running" | "stopped" | "unknown";

/** What the checks of the component's side share. Each field is set by the check that finds it out. */
export interface ComponentState {
  /** The config file. Undefined: variables of the environment. */
  readonly file: string | undefined;
  config?: ComponentConfig;
  /** Only if the secret can be read. */
  resolved?: ResolvedConfig;
  store?: StoreState;
  /** Only if the store is in Redis, and Redis was reached. */
  redis?: RedisState;
  /** Whether a process has the store. Undefined: not known, or the store is in memory. */
  storeHeld?: boolean;
  /** The component refuses the TLS of the server's port, so nothing is tried over it. */
  tlsFails: boolean;
  runs: RunState;
  /** The component's connection, while doctor is logged in with the domain and the secret. */
  connection?: Connection;
}

/** The config of a check that needs `config`. */
export function configOf({ config }: ComponentState): ComponentConfig {
  if (config === undefined) throw new Error("the config was not read");
  return config;
}

/** The config with its secret, of a check that needs `secret`. */
export function resolvedOf({ resolved }: ComponentState): ResolvedConfig {
  if (resolved === undefined) throw new Error("the secret was not read");
  return resolved;
}
