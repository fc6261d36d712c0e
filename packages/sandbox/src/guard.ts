import { spawn } from "node:child_process";
import type { Socket } from "node:net";

/**
 * Reads process groups from its input, one a line: the last line is in force. At the end of the input our process has
 * ended, by whatever signal, or has closed the input. Then the script kills the group and removes the folder.
 */
const SCRIPT = `
trap '' HUP INT TERM
group=
while read -r line; do group=$line; done
[ -z "$group" ] || kill -s KILL -- "-$group" 2>/dev/null
tries=0
until rm -rf -- "$1" 2>/dev/null || [ $tries -ge 20 ]; do tries=$((tries + 1)); sleep 0.1; done
`;

/** A small process that cleans up after our process, however ours ends: even after SIGKILL, when no handler runs. */
export interface Guard {
  /** Sets the process group that the guard kills. Undefined: none. */
  watch(group: number | undefined): void;
  /** Lets the guard remove the folder now, and waits until the guard has ended. Idempotent. */
  close(): Promise<void>;
}

/** Starts a guard for `folder`. The guard removes `folder` at the end. */
export function startGuard(folder: string): Guard {
  const child = spawn("/bin/sh", ["-c", SCRIPT, "stanzapack-sandbox-guard", folder], {
    // The guard has its own session. So a signal to our terminal or our process group does not end it.
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
  ended.catch(() => undefined); // `close` reports this error
  child.stdin.on("error", () => undefined); // the guard was killed: its `exit` reports that
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
