import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { SandboxError } from "./errors.js";
import type { ProgramKind } from "./types.js";

/** The user as which the server runs. */
export interface ServerUser {
  /** Set if this process runs as root. It is the package's own user, since Prosody refuses to run as root. */
  readonly switchTo?: { readonly name: string; readonly uid: number; readonly gid: number };
}

/** Users that Debian's packages create. */
const USER_NAMES = {
  prosody: "prosody",
  ejabberd: "ejabberd",
  nginx: "www-data",
} as const satisfies Record<ProgramKind, string>;

export async function findServerUser(kind: ProgramKind): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return {};
  const name = USER_NAMES[kind];
  const [uid, gid] = await Promise.all([idOf("-u", kind), idOf("-g", kind)]);
  return { switchTo: { name, uid, gid } };
}

/** Path of `program`. Also searches the `sbin` folders, which an ordinary user's PATH lacks. */
export async function findProgram(program: string, kind: ProgramKind): Promise<string> {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  for (const folder of folders) {
    const path = join(folder, program);
    if (folder !== "" && (await isExecutable(path))) return path;
  }
  throw notInstalled(kind, `${program} is not there`);
}

export function notInstalled(kind: ProgramKind, why: string, debianPackage: string = kind): SandboxError {
  return new SandboxError(
    "not-installed",
    `${why}: install ${debianPackage} as Debian ships it, by \`npm run setup -- --servers ${kind}\` in a clone of ` +
      `Stanzapack or by \`apt-get install ${debianPackage}\``,
  );
}

async function idOf(flag: string, kind: ProgramKind): Promise<number> {
  const name = USER_NAMES[kind];
  const result = await execa("id", [flag, name], { reject: false });
  if (result.failed) throw notInstalled(kind, `there is no user ${name}`);
  return Number(result.stdout);
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
