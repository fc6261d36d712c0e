import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Sandbox, SandboxComponent } from "@stanzapack/sandbox";

/** Folder of the sandbox, which is removed however the sandbox ends. The command's own files are in it too. */
function folderOf(sandbox: Sandbox): string {
  return dirname(sandbox.caFile);
}

/** The component that the command runs. The sandbox's other components are free. */
export function streamsOf(sandbox: Sandbox): SandboxComponent {
  const [streams] = sandbox.components;
  if (streams === undefined) throw new Error("the sandbox has no component");
  return streams;
}

/** Writes one file for each account. A shell that reads the file (`. FILE`) uses the account. Returns the folder. */
export async function writeEnvFiles(sandbox: Sandbox): Promise<string> {
  const folder = join(folderOf(sandbox), "env");
  await mkdir(folder, { mode: 0o700, recursive: true });
  for (const { jid, password } of sandbox.accounts) {
    const name = jid.slice(0, jid.indexOf("@"));
    const passwordFile = join(folder, `${name}.password`);
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    const variables = {
      JID: jid,
      PASSWORD_FILE: passwordFile,
      COMPONENT: streamsOf(sandbox).domain,
      URL: sandbox.url,
      CA: sandbox.caFile,
    };
    const lines = Object.entries(variables).map(([key, value]) => `export STANZAPACK_${key}='${value}'\n`);
    await writeFile(join(folder, name), lines.join(""), { mode: 0o600 });
  }
  return folder;
}
