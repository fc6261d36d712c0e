import { closeSync, openSync } from "node:fs";

/** The controlling terminal, opened; undefined where there is none. */
export function openTerminal(): number | undefined {
  try {
    return openSync("/dev/tty", "r+");
  } catch {
    return undefined;
  }
}

export function hasTerminal(): boolean {
  const descriptor = openTerminal();
  if (descriptor !== undefined) closeSync(descriptor);
  return descriptor !== undefined;
}
