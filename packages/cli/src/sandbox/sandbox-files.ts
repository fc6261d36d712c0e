import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Sandbox, SandboxComponent } from "@stanzapack/sandbox";

/** Files of ours live in the sandbox's folder, which goes with the sandbox however it ends. */
function folderOf(sandbox: Sandbox): string {
  return dirname(sandbox.caFile);
}

/** The component that runs; the others are free. */
export function streamsOf(sandbox: Sandbox): SandboxComponent {
  const [streams] = sandbox.components;
  if (streams === undefined) throw new Error("the sandbox has no component");
  return streams;
}

/** Config of the running component; gives the file's name. */
export async function writeComponentConfig(sandbox: Sandbox): Promise<string> {
  const folder = join(folderOf(sandbox), "component");
  await mkdir(folder, { mode: 0o700, recursive: true });
  const { domain, secret } = streamsOf(sandbox);
  await writeFile(join(folder, "secret"), `${secret}\n`, { mode: 0o600 });
  const config = {
    component: { domain, host: sandbox.host, port: sandbox.ports.component, secretFile: "secret" },
    store: "memory",
    log: { level: "warn" },
  };
  const file = join(folder, "stanzapack.yaml");
  // JSON is YAML.
  await writeFile(file, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  return file;
}

/** One file per account that a shell reads (`. FILE`) to be that account; gives their folder. */
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
