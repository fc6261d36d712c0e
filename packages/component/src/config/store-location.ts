import { dirname, isAbsolute, resolve } from "node:path";
import { storeSchema, type ResolvedStore, type StoreConfig } from "./store-config.js";

/** The store's directory beside the config file, where nothing else names one. */
const BESIDE_CONFIG = "stanzapack-data";

/**
 * Returns the store of a config file. A file without the key `store` has a store on LMDB: a restart of the component
 * then loses nothing that was stored. `stateDirectory`: the variable STATE_DIRECTORY of the environment.
 */
export function resolveStore(
  store: StoreConfig | undefined,
  file: string,
  stateDirectory: string | undefined,
): ResolvedStore {
  const given = store ?? storeSchema.parse({ kind: "lmdb" });
  return given.kind === "memory"
    ? given
    : { ...given, path: storeLocation(given.path, file, stateDirectory) };
}

/**
 * Returns the first of these directories that there is: `path`, relative to the config file; the first directory of
 * STATE_DIRECTORY, which systemd sets for a unit with `StateDirectory=` (systemd.exec(5)); `stanzapack-data` beside the
 * config file. It does not depend on the working directory, so that a component finds its data again.
 */
export function storeLocation(
  path: string | undefined,
  file: string,
  stateDirectory: string | undefined,
): string {
  if (path !== undefined) return resolve(dirname(file), path);
  const [state = ""] = (stateDirectory ?? "").split(":");
  return isAbsolute(state) ? state : resolve(dirname(file), BESIDE_CONFIG);
}
