import { dirname, isAbsolute, resolve } from "node:path";
import { storeSchema, type ResolvedStore, type StoreConfig } from "./store-config.js";

/** The store's directory beside the config file, where nothing else names one. */
const BESIDE_CONFIG = "stanzapack-data";

/**
 * Returns the store of a config file. A file without the key `store` has a store on LMDB: a restart of the component
 * then loses nothing that was stored. `stateDirectory`: the variable STATE_DIRECTORY of the environment. `read` returns
 * the text of a file that the config names, by its path and its key.
 */
export async function resolveStore(
  store: StoreConfig | undefined,
  file: string,
  stateDirectory: string | undefined,
  read: (path: string, key: string) => Promise<string>,
): Promise<ResolvedStore> {
  const given = store ?? storeSchema.parse({ kind: "lmdb" });
  if (given.kind === "memory") return given;
  if (given.kind === "lmdb") return { ...given, path: storeLocation(given.path, file, stateDirectory) };
  const { passwordFile, tls, ...rest } = given;
  const textOf = (name: string, key: string): Promise<string> => read(resolve(dirname(file), name), key);
  const password =
    passwordFile === undefined ? undefined : (await textOf(passwordFile, "store.passwordFile")).trim();
  const { caFile, serverName } = typeof tls === "boolean" ? {} : tls;
  const ca = caFile === undefined ? undefined : await textOf(caFile, "store.tls.caFile");
  return {
    ...rest,
    ...(password !== undefined && { password }),
    tls: typeof tls === "boolean" ? tls : { ...(ca && { ca }), ...(serverName && { serverName }) },
  };
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
