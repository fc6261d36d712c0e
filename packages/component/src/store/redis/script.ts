import { createHash } from "node:crypto";

/** A program that Redis runs as one step: no other command comes between. */
export interface Script {
  readonly text: string;
  /** Redis knows the program by this hash. */
  readonly sha: string;
}

/**
 * `flags`: by them Redis refuses a script before its first line, so that it does all or nothing. Without flags, Redis
 * refuses it when memory is short, on a replica, when the disk fails, and when replicas are missing.
 */
export function script(body: string, flags = ""): Script {
  const text = `#!lua${flags === "" ? "" : ` flags=${flags}`}\n${body.trim()}\n`;
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}
