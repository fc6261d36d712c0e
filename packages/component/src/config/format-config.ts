import { stringify } from "yaml";
import type { ResolvedConfig } from "./load-config.js";

/** Stands for the secret, which nobody should see in a terminal or a log. */
const HIDDEN = "(hidden)";

/** Returns the config in force as YAML, with all defaults, and without the secret. `file`: the config file. */
export function formatConfig({ component, ...rest }: ResolvedConfig, file?: string): string {
  const { secret: _, secretFile, tls, ...plain } = component;
  const place = secretFile === undefined || secretFile === file ? { secret: HIDDEN } : { secretFile };
  const shownTls = typeof tls === "object" ? { ...tls, ...(tls.ca !== undefined && { ca: "(read)" }) } : tls;
  const { store, ...others } = rest;
  return stringify({
    component: { ...plain, ...place, ...(shownTls !== undefined && { tls: shownTls }) },
    ...(store !== undefined && { store: shown(store) }),
    ...others,
  });
}

/** Returns the store without its password. */
function shown(store: NonNullable<ResolvedConfig["store"]>): unknown {
  if (store.kind !== "redis") return store;
  const { tls, ...plain } = store;
  const shownTls = typeof tls === "object" && "ca" in tls ? { ...tls, ca: "(read)" } : tls;
  return { ...plain, ...("password" in plain && { password: HIDDEN }), tls: shownTls };
}
