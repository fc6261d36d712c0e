import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./run-command.mjs";
import { say, SetupError, step } from "./say.mjs";

/**
 * Packages of the system's package manager. A row is installed if one of its `programs` or `files` is missing. A `*` in
 * a file's path stands for any one folder (Debian's differ by processor).
 *
 * `--servers` limits the rows with `server`. Rows with `forTests` are only for tests, and rows with `forContainers` only
 * for `npm run test:containers`. The services in `units` would start at the next boot, but only the programs are wanted.
 */
const SYSTEM_PACKAGES = [
  {
    server: "prosody",
    programs: ["prosody", "openssl"],
    files: ["/usr/lib/*/lua/5.4/zlib.so", "/usr/lib/prosody/modules/mod_sasl2/mod_sasl2.lua"],
    packages: ["prosody", "prosody-modules", "lua-zlib", "openssl"],
    units: ["prosody"],
    why: "Prosody, an XMPP server, with lua-zlib and prosody-modules for its options, and openssl for its certificates; it runs privately on 127.0.0.1",
  },
  {
    server: "ejabberd",
    programs: ["ejabberdctl", "erl", "openssl"],
    packages: ["ejabberd", "openssl"],
    units: ["ejabberd", "epmd"],
    why: "ejabberd, an XMPP server, and openssl for its certificates; it runs privately on 127.0.0.1",
  },
  {
    server: "nginx",
    programs: ["nginx"],
    packages: ["nginx"],
    units: ["nginx"],
    why: "nginx, the web server in front of BOSH and WebSocket; it runs privately on 127.0.0.1",
  },
  {
    server: "redis",
    programs: ["redis-server", "redis-cli"],
    packages: ["redis-server", "redis-tools"],
    units: ["redis-server"],
    why: "Redis, which can keep the component's store; it runs privately on 127.0.0.1",
  },
  {
    forTests: true,
    programs: ["chromium"],
    packages: ["chromium"],
    units: [],
    why: "Chromium, for tests of the client's browser build; up to 200 MB more",
  },
  {
    forTests: true,
    programs: ["python3"],
    packages: ["python3"],
    units: [],
    why: "Python, for a test that reads the codec's output by docs/reference/codec.md alone",
  },
  {
    forContainers: true,
    programs: ["podman", "podman-compose", "runc", "debootstrap", "iptables"],
    files: ["/usr/lib/podman/netavark", "/usr/lib/podman/aardvark-dns"],
    packages: ["podman", "podman-compose", "runc", "netavark", "aardvark-dns", "iptables", "debootstrap"],
    units: ["podman", "podman.socket", "podman-auto-update.timer"],
    why: "podman, which builds and runs the images of docker/, and debootstrap for a base image without a registry",
  },
  {
    programs: ["setpriv"],
    packages: ["util-linux"],
    units: [],
    why: "setpriv, which ends a server when the program that started it ends",
  },
];

export const SERVERS = SYSTEM_PACKAGES.flatMap(({ server }) => server ?? []);

/**
 * Installs the programs that are missing. Starts no service, neither now nor at the next boot.
 *
 * @param {{ servers: readonly string[], forTests: boolean, forContainers: boolean }} wanted
 */
export async function ensureSystemPackages(wanted) {
  const missing = SYSTEM_PACKAGES.filter(
    ({ server, forTests = false, forContainers = false, programs, files }) =>
      (server === undefined || wanted.servers.includes(server)) &&
      (!forTests || wanted.forTests) &&
      (!forContainers || wanted.forContainers) &&
      lacking({ programs, files }).length > 0,
  );
  if (missing.length === 0) return;
  for (const { why } of missing) say(`needed: ${why}`);
  const packages = [...new Set(missing.flatMap((row) => row.packages))];
  if (!isThere("apt-get")) {
    throw new SetupError(
      `this machine has no apt-get: install ${packages.join(", ")} (Prosody 0.12, ejabberd 23.01, nginx 1.22, Redis 7.0 or later) in its own way`,
    );
  }
  const asRoot = rootPrefix(packages);
  const units = missing.flatMap((row) => row.units);
  await step(`apt-get install ${packages.join(" ")} (up to 100 MB; starts no service)`, async () => {
    const [program, ...args] = [
      ...asRoot,
      "/bin/sh",
      "-c",
      INSTALL,
      "setup",
      packages.join(" "),
      units.join(" "),
    ];
    const { ok, tail } = await runCommand(program, args, { stdin: asRoot.length > 0 ? "inherit" : "ignore" });
    const still = missing.flatMap(lacking);
    if (still.length > 0) {
      throw new SetupError(`apt-get did not install ${still.join(", ")}: see above`, tail);
    }
    // A package's own script may fail if there is no service manager. Only its programs matter.
    if (!ok) say(`apt-get reported a failure, but all programs are there now. Its last output:\n${tail}`);
  });
}

/** How to become root: not at all, or by sudo, which asks on the terminal. */
function rootPrefix(packages) {
  if (process.getuid?.() === 0) return [];
  if (isThere("sudo")) {
    say("sudo may ask for your password");
    return ["sudo"];
  }
  throw new SetupError(
    `you are not root, and there is no sudo: run \`apt-get install ${packages.join(" ")}\` as root first`,
  );
}

/** Programs and files of a row that are missing. */
function lacking({ programs, files = [] }) {
  return [...programs.filter((name) => !isThere(name)), ...files.filter((path) => !isFileThere(path))];
}

function isFileThere(path) {
  const [before, after] = path.split("*");
  if (after === undefined) return existsSync(path);
  return existsSync(before) && readdirSync(before).some((name) => existsSync(`${before}${name}${after}`));
}

function isThere(program) {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  return folders.filter(Boolean).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Runs as root, in one shell, so that sudo asks once. Arguments: packages, units.
 *
 * Debian starts the services of packages that it installs, unless /usr/sbin/policy-rc.d exits with 101. The script
 * removes its own policy-rc.d whatever happens. If a killed run left one behind, the script recognises it by its text.
 */
const INSTALL = `
set -u
packages=$1 units=$2
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true NEEDRESTART_MODE=l LC_ALL=C.UTF-8
policy=/usr/sbin/policy-rc.d
mark='# temporary: made by the set-up of stanzapack'
ours=
log=$(mktemp)
trap '[ -z "$ours" ] || rm -f "$policy"; rm -f "$log"' EXIT
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM

if [ ! -e "$policy" ] || grep -qsF "$mark" "$policy"; then
  ours=yes
  printf '#!/bin/sh\\n%s\\nexit 101\\n' "$mark" >"$policy"
  chmod 755 "$policy"
fi

# Lists are locked apart from packages, and only for those does apt-get know how to wait.
apt() {
  waited=0
  while :; do
    apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold "$@" >"$log" 2>&1 </dev/null
    status=$?
    cat "$log"
    [ $status -ne 0 ] && [ $waited -lt 300 ] && grep -qE 'Could not get lock|Unable to lock' "$log" || return $status
    sleep 5
    waited=$((waited + 5))
  done
}
install() { apt install -y --no-install-recommends $packages; }

known() {
  for package in $packages; do
    apt-cache policy "$package" | grep -q 'Candidate: [0-9]' || return 1
  done
}
was_enabled=
for unit in $units; do
  ! command -v systemctl >/dev/null || ! systemctl is-enabled --quiet "$unit" 2>/dev/null || was_enabled="$was_enabled $unit"
done

known || apt update || exit 1
# Lists that are old name files that the mirror has no more.
install || { apt update && install; }
status=$?

for unit in $units; do
  case " $was_enabled " in *" $unit "*) continue ;; esac
  if command -v systemctl >/dev/null && systemctl disable --quiet "$unit" 2>/dev/null; then continue; fi
  [ ! -e "/etc/init.d/$unit" ] || update-rc.d "$unit" disable
done
exit $status
`;
