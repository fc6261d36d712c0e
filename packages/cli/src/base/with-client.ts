import { connect, type Client, type ConnectOptions } from "@stanzapack/client";
import { required, type ConnectionOptions } from "./connection-options.js";
import { readCertificates, readPassword } from "./credentials.js";
import { describeExposure } from "./exposed-file.js";
import type { Interruption } from "./signals.js";

/** Logs in, runs `work`, and closes the client however `work` ends. An interruption during the login ends the login. */
export async function withClient<R>(
  options: ConnectionOptions,
  interruption: Interruption,
  work: (client: Client) => Promise<R>,
  more: Pick<ConnectOptions, "startOffline"> = {},
): Promise<R> {
  const jid = required(options, "jid");
  const passwordFile = required(options, "passwordFile");
  const component = required(options, "component");
  const password = await readPassword(passwordFile);
  const exposed = await describeExposure(passwordFile);
  if (exposed !== undefined) process.stderr.write(`warning: --password-file: ${exposed}\n`);
  const ca = options.ca === undefined ? undefined : await readCertificates(options.ca);
  const opening = new AbortController();
  const giveUp = (): void => opening.abort();
  interruption.signal.addEventListener("abort", giveUp);
  if (interruption.signal.aborted) giveUp();
  const client = await connect({
    jid,
    password,
    component,
    ...(options.url === undefined ? {} : { url: options.url }),
    ...(ca === undefined ? {} : { ca }),
    signal: opening.signal,
    ...more,
  });
  // From here on, `work` decides what an interruption still lets it do.
  interruption.signal.removeEventListener("abort", giveUp);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
