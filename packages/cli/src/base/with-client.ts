import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect, type Client, type ConnectOptions } from "@stanzapack/client";
import { StanzapackError } from "@stanzapack/wire";
import { FLAGS, type ConnectionOptions } from "./connection-options.js";
import { describeExposure } from "./exposed-file.js";
import { UsageError } from "./failure.js";
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
  const password = (await readText(passwordFile, "--password-file")).replace(/\r?\n$/, "");
  const exposed = await describeExposure(passwordFile);
  if (exposed !== undefined) process.stderr.write(`warning: --password-file: ${exposed}\n`);
  if (password === "")
    throw new StanzapackError("invalid-options", `--password-file: ${passwordFile} is empty`);
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

function required(options: ConnectionOptions, name: keyof ConnectionOptions): string {
  const value = options[name];
  if (value !== undefined && value !== "") return value;
  const [, flags, variable] = FLAGS.find(([key]) => key === name) as (typeof FLAGS)[number];
  throw new UsageError(`\`${flags}\` is missing: give it, or set ${variable}`);
}

/** PEM text of one or more certificates (RFC 7468 §5). */
async function readCertificates(file: string): Promise<string> {
  const text = await readText(file, "--ca");
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0)
    throw new StanzapackError(
      "invalid-options",
      `--ca: ${file} has no certificate in PEM (-----BEGIN CERTIFICATE-----)`,
    );
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch (cause) {
      throw new StanzapackError("invalid-options", `--ca: ${file} has a certificate that cannot be read`, {
        cause,
      });
    }
  }
  return text;
}

async function readText(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new StanzapackError(
      "invalid-options",
      `${option}: ${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)})`,
      { cause },
    );
  }
}
