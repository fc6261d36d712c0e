import { chmod, chown, mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerUser } from "./server-user.js";
import type {
  FederationOptions,
  ProgramKind,
  SandboxComponent,
  SandboxPorts,
  SettingsKind,
} from "./types.js";
import type { Certificates } from "./certificates.js";

/** A sandbox's folder. The user as which the server runs owns everything in it. */
export interface Site {
  readonly folder: string;
  path(name: string): string;
  write(name: string, text: string): Promise<void>;
  makeFolder(name: string): Promise<void>;
  /** Gives the server's user a file that another program wrote here, with this `mode`. */
  adopt(name: string, mode: number): Promise<void>;
}

/** Values from which a server's configuration is made. */
export interface SiteSettings {
  readonly settings: SettingsKind;
  readonly compress: boolean;
  readonly sasl2: boolean;
  readonly componentTls: boolean;
  /** At least one domain. */
  readonly domains: readonly string[];
  readonly federation: FederationOptions | undefined;
  /** UDP port of the name server that finds the other servers. Set only if the recipe needs a name server. */
  readonly nameServerPort: number | undefined;
  readonly ports: SandboxPorts;
  readonly certificates: Certificates;
  readonly components: readonly SandboxComponent[];
}

export async function createSite(kind: ProgramKind, user: ServerUser): Promise<Site> {
  // In the system's temporary folder, not beside the caller: the server's user cannot read a clone in somebody's home.
  const folder = await mkdtemp(join(tmpdir(), `stanzapack-${kind}-`));
  const own = async (path: string, mode: number): Promise<void> => {
    await chmod(path, mode);
    if (user.switchTo !== undefined) await chown(path, user.switchTo.uid, user.switchTo.gid);
  };
  // Other users may pass through the folder (to the authority's certificate), but not list it.
  await own(folder, 0o711);
  const path = (name: string): string => join(folder, name);
  return {
    folder,
    path,
    async write(name, text) {
      await writeFile(path(name), text, { mode: 0o600 });
      await own(path(name), 0o600);
    },
    async makeFolder(name) {
      await mkdir(path(name));
      await own(path(name), 0o700);
    },
    adopt: (name, mode) => own(path(name), mode),
  };
}

/** Reads a file of `templates/`. That folder is beside `src` and `dist`, and is published with them. */
export function readTemplate(name: string): Promise<string> {
  return readFile(new URL(`../templates/${name}`, import.meta.url), "utf8");
}
