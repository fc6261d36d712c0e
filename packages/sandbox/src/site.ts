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

/** A sandbox's folder: everything in it belongs to the user that the server runs as. */
export interface Site {
  readonly folder: string;
  path(name: string): string;
  write(name: string, text: string): Promise<void>;
  makeFolder(name: string): Promise<void>;
  /** Hands over what another program wrote here, readable by `mode`. */
  adopt(name: string, mode: number): Promise<void>;
}

/** What a server's configuration is made from. */
export interface SiteSettings {
  readonly settings: SettingsKind;
  readonly compress: boolean;
  readonly sasl2: boolean;
  readonly componentTls: boolean;
  /** One at least. */
  readonly domains: readonly string[];
  readonly federation: FederationOptions | undefined;
  /** UDP, where it finds the others; only where its recipe needs one. */
  readonly nameServerPort: number | undefined;
  readonly ports: SandboxPorts;
  readonly certificates: Certificates;
  readonly components: readonly SandboxComponent[];
}

export async function createSite(kind: ProgramKind, user: ServerUser): Promise<Site> {
  // Below /tmp rather than beside the caller: the server's user cannot read a clone in somebody's home.
  const folder = await mkdtemp(join(tmpdir(), `stanzapack-${kind}-`));
  const own = async (path: string, mode: number): Promise<void> => {
    await chmod(path, mode);
    if (user.switchTo !== undefined) await chown(path, user.switchTo.uid, user.switchTo.gid);
  };
  // Others may pass (to the authority's certificate), not list.
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

/** A file of `templates/`, which lies beside `src` and `dist` and is published with them. */
export function readTemplate(name: string): Promise<string> {
  return readFile(new URL(`../templates/${name}`, import.meta.url), "utf8");
}
