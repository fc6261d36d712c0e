import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";

/** Name of the client's own interface in each namespace. */
export const CLIENT_INTERFACE = "wire0";

/** A network namespace that one veth pair joins to ours. All packets of the pair are one client's. */
export interface Namespace {
  readonly name: string;
  /** Address of our end of the pair, as seen from the namespace. */
  readonly hostAddress: string;
}

export interface Namespaces {
  readonly all: readonly Namespace[];
  /** Removes the namespaces and their pairs. Idempotent. */
  close(): Promise<void>;
}

/**
 * Prefix of the names. The owner's process id and start time follow, so that a later run finds the namespaces of a
 * killed run.
 */
const PREFIX = "spwire";
const NAMES_FOLDER = "/run/netns";
/** Ethernet's MTU. */
const MTU_BYTES = 1_500;
/** Fixed and known to both ends, so that there are no ARP packets to count. */
const HOST_MAC = "02:00:00:00:00:01";
const CLIENT_MAC = "02:00:00:00:00:02";
/**
 * Third bytes of addresses in 198.18.0.0/15 (RFC 2544: for benchmarks). They have three digits, so that every address
 * is equally long.
 */
const BLOCKS = { first: 100, count: 156 };
const PAIRS = { first: 100, count: 38 };

const open = new Set<string>();
let created = 0;
let hooked = false;

/** Why namespaces cannot be used here. Undefined if they can. */
export async function whyNoNamespaces(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  try {
    sweepLeftNamespaces();
    const probe = await openNamespaces(1);
    await probe.close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Makes `count` namespaces. Rejects if the kernel or the command `ip` cannot; then nothing is left. */
export async function openNamespaces(count: number): Promise<Namespaces> {
  closeAtExit();
  const blocks = freeBlocks();
  const all: Namespace[] = [];
  const close = async (): Promise<void> => {
    const lines = all.splice(0).map(({ name }) => `netns del ${name}`);
    await ip(["-force"], lines).catch(() => undefined); // some were never made, or have been removed
    for (const line of lines) open.delete(line.slice("netns del ".length));
  };
  try {
    for (let index = 0; index < count; index++) {
      const block = blocks[Math.floor(index / PAIRS.count)];
      if (block === undefined) throw new Error("no free addresses of 198.18.0.0/15");
      all.push(await openNamespace(`198.18.${block}.`, PAIRS.first + 4 * (index % PAIRS.count)));
    }
    return { all: [...all], close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openNamespace(block: string, network: number): Promise<Namespace> {
  const name = `${PREFIX}-${process.pid}-${startTimeOf(process.pid) ?? ""}-${++created}`;
  open.add(name);
  const host = `spw${process.pid}-${created}`;
  const [hostAddress, clientAddress] = [`${block}${network + 1}`, `${block}${network + 2}`];
  // One segment in each packet. Otherwise the kernel passes up to 64 kB at once, and counts one header for all of it.
  const link = `mtu ${MTU_BYTES} gso_max_segs 1`;
  await ip(
    [],
    [
      `netns add ${name}`,
      `link add ${host} ${link} address ${HOST_MAC} type veth peer name ${CLIENT_INTERFACE} ${link} address ${CLIENT_MAC} netns ${name}`,
      `link set ${host} addrgenmode none`,
      `addr add ${hostAddress}/30 dev ${host}`,
      `neigh add ${clientAddress} lladdr ${CLIENT_MAC} nud permanent dev ${host}`,
      `link set ${host} up`,
    ],
  );
  await ip(
    ["-n", name],
    [
      `link set lo up`,
      `link set ${CLIENT_INTERFACE} addrgenmode none`,
      `addr add ${clientAddress}/30 dev ${CLIENT_INTERFACE}`,
      `neigh add ${hostAddress} lladdr ${HOST_MAC} nud permanent dev ${CLIENT_INTERFACE}`,
      `link set ${CLIENT_INTERFACE} up`,
    ],
  );
  return { name, hostAddress };
}

/** Removes namespaces of killed runs, whose process no longer exists. */
function sweepLeftNamespaces(): void {
  for (const name of namesInUse()) {
    const [, pid, startTime] = new RegExp(`^${PREFIX}-(\\d+)-(\\d+)-\\d+$`).exec(name) ?? [];
    if (pid !== undefined && startTimeOf(Number(pid)) !== startTime) spawnSync("ip", ["netns", "del", name]);
  }
}

function namesInUse(): string[] {
  try {
    return readdirSync(NAMES_FOLDER);
  } catch {
    return []; // nobody has ever made a namespace
  }
}

/** Start time, which tells a process from a later one with the same number. Undefined if there is no process. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

/**
 * Third bytes that none of our interfaces uses yet, from a random one on: another run may look for some at the same
 * time.
 */
function freeBlocks(): number[] {
  const taken = new Set(
    Object.values(networkInterfaces()).flatMap((addresses) =>
      (addresses ?? []).map(({ address }) => address.split(".").slice(0, 3).join(".")),
    ),
  );
  const start = Math.floor(Math.random() * BLOCKS.count);
  return Array.from({ length: BLOCKS.count }, (_, i) => BLOCKS.first + ((start + i) % BLOCKS.count)).filter(
    (block) => !taken.has(`198.18.${block}`),
  );
}

/** Removes the namespaces however this process ends, except by SIGKILL. */
function closeAtExit(): void {
  if (hooked) return;
  hooked = true;
  process.once("exit", () => {
    for (const name of open) spawnSync("ip", ["netns", "del", name]);
  });
}

/** Runs the command `ip` once for all lines. */
function ip(options: readonly string[], lines: readonly string[]): Promise<void> {
  const child = spawn("ip", [...options, "-batch", "-"], { stdio: ["pipe", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stdin.on("error", () => undefined); // the exit status reports the error
  child.stdin.end(`${lines.join("\n")}\n`);
  return new Promise((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) =>
      reject(new Error(error.code === "ENOENT" ? "the command `ip` (iproute2) is not there" : error.message)),
    );
    child.once("close", (status) => {
      if (status === 0) resolve();
      else reject(new Error(`\`ip\` failed: ${said.trim().split("\n")[0] ?? ""}`));
    });
  });
}
