import { spawn } from "node:child_process";
import type { Socket } from "node:net";

/**
 * Reads the server's process group from its input, a line each time that it changes, and waits for the input's end:
 * that is us gone, by whatever signal, or done.
 */
const SCRIPT = `
trap '' HUP INT TERM
group=
while read -r line; do group=$line; done
[ -z "$group" ] || kill -s KILL -- "-$group" 2>/dev/null
tries=0
until rm -rf -- "$1" 2>/dev/null || [ $tries -ge 20 ]; do tries=$((tries + 1)); sleep 0.1; done
`;

/** A small process that tidies up after ours, however ours ends: also after SIGKILL, when no handler runs. */
export interface Guard {
  /** Names the process group to end, or none. */
  watch(group: number | undefined): void;
  /** Lets it remove the folder now, and waits for its end. Idempotent. */
  close(): Promise<void>;
}

/** Watches over `folder`, which it removes in the end. */
export function startGuard(folder: string): Guard {
  const child = spawn("/bin/sh", ["-c", SCRIPT, "stanzapack-sandbox-guard", folder], {
    // A session of its own: what ends our terminal or our process group does not end it.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    cwd: "/",
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("exit", () => {
      resolve();
    });
    child.once("error", reject);
  });
  ended.catch(() => undefined); // told by `close`
  child.stdin.on("error", () => undefined); // the guard was killed: its `exit` is what counts
  child.unref();
  (child.stdin as Socket).unref();
  return {
    watch(group) {
      child.stdin.write(`${group ?? ""}\n`);
    },
    close() {
      child.ref();
      child.stdin.end();
      return ended;
    },
  };
}
