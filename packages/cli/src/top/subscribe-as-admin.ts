import type { Client, Subscription } from "@stanzapack/client";
import { StanzapackError } from "@stanzapack/wire";

const REFUSALS: readonly StanzapackError["code"][] = ["not-allowed", "no-such-service"];

type Subscribe = <T>(name: string) => Promise<Subscription<T>>;

/**
 * Subscribes to services that the component itself offers to its administrators. Throws `not-allowed` for an account
 * that is no administrator.
 */
export async function subscribeAsAdmin<T extends readonly Promise<unknown>[] | []>(
  client: Client,
  component: string,
  all: (subscribe: Subscribe) => T,
  windowMs?: number,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  try {
    const options = windowMs === undefined ? {} : { windowMs };
    return await Promise.all(all((name) => client.subscribe(`${component}/${name}`, options)));
  } catch (error) {
    if (!(error instanceof StanzapackError) || !REFUSALS.includes(error.code)) throw error;
    throw new StanzapackError("not-allowed", `${client.jid} is no administrator of ${component}`, {
      cause: error,
      mend: "name the account under `admins` in the config of the component, and send the component SIGHUP",
    });
  }
}
