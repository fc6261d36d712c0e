import { type Command, Option } from "commander";
import { UsageError } from "./failure.js";

export interface ConnectionOptions {
  readonly jid?: string;
  readonly passwordFile?: string;
  readonly component?: string;
  readonly url?: string;
  readonly ca?: string;
}

export const FLAGS = [
  ["jid", "--jid <jid>", "STANZAPACK_JID", "account to log in as: bob@example.org"],
  ["passwordFile", "--password-file <file>", "STANZAPACK_PASSWORD_FILE", "file that holds its password"],
  ["component", "--component <domain>", "STANZAPACK_COMPONENT", "domain of the Stanzapack component"],
  [
    "url",
    "--url <url>",
    "STANZAPACK_URL",
    "address of the server, instead of a look-up: xmpp(s)://host:port, wss://… or https://… (BOSH)",
  ],
  ["ca", "--ca <file>", "STANZAPACK_CA", "PEM file of an authority to trust, besides the system's"],
] as const satisfies readonly (readonly [keyof ConnectionOptions, string, string, string])[];

/** Adds `--jid --password-file --component --url --ca`, each with its environment variable. */
export function addConnectionOptions(command: Command): Command {
  for (const [, flags, variable, about] of FLAGS)
    command.addOption(new Option(flags, about).env(variable).helpGroup("Connection:"));
  return command;
}

/** The value of an option that a command needs. Throws `UsageError` if it is missing. */
export function required(options: ConnectionOptions, name: keyof ConnectionOptions): string {
  const value = options[name];
  if (value !== undefined && value !== "") return value;
  const [, flags, variable] = FLAGS.find(([key]) => key === name) as (typeof FLAGS)[number];
  throw new UsageError(`\`${flags}\` is missing: give it, or set ${variable}`);
}
