import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Sandbox, SandboxAccount } from "@stanzapack/sandbox";

/** Returns the account of a user of the sandbox, by its local part. Throws if there is none. */
export function accountOf({ accounts }: Sandbox, user: string): SandboxAccount {
  const account = accounts.find(({ jid }) => jid.startsWith(`${user}@`));
  if (account === undefined) throw new Error(`no account ${user}`);
  return account;
}

/** What a connection needs to log in as a user of the sandbox. */
export function credentialsOf(sandbox: Sandbox, user: string): SandboxAccount & { url: string; ca: string } {
  return { ...accountOf(sandbox, user), url: sandbox.url, ca: sandbox.ca };
}

/** Returns the domain of the sandbox's first component. */
export function domainOf({ components: [first] }: Sandbox): string {
  if (first === undefined) throw new Error("the sandbox has no component");
  return first.domain;
}

/**
 * Environment variables with which a command logs in as a user of the sandbox. Writes the password into a file of
 * `folder`.
 */
export function loginEnvironment(
  sandbox: Sandbox,
  user: string,
  folder: string,
): Readonly<Record<string, string>> {
  const { jid, password } = accountOf(sandbox, user);
  const file = join(folder, `${user}.password`);
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return {
    ...{ STANZAPACK_JID: jid, STANZAPACK_PASSWORD_FILE: file, STANZAPACK_COMPONENT: domainOf(sandbox) },
    ...{ STANZAPACK_URL: sandbox.url, STANZAPACK_CA: sandbox.caFile },
  };
}
