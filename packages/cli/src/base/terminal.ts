import { closeSync, openSync } from "node:fs";

/** Opens the controlling terminal. Undefined if there is none. */
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
