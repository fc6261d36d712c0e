import {
  abortSignal,
  allOptional,
  checkOptions,
  either,
  exactly,
  flag,
  listOf,
  objectOf,
  plainText,
  wholeNumber,
  type OptionSchema,
} from "@stanzapack/wire";
import { SandboxError } from "./errors.js";
import type { NginxBehaviour, NginxOptions } from "./nginx.js";

const behaviour = {
  gzip: flag(),
  gzipMinLengthBytes: wholeNumber(0, 1_000_000_000, " of bytes"),
  http2: flag(),
  webSocket: either(
    '"pass", "strip" or a status from 200 to 599',
    exactly("pass"),
    exactly("strip"),
    wholeNumber(200, 599),
  ),
  origins: listOf(plainText(1, 300, "an origin"), 0, 1_000, "origins"),
} satisfies Record<keyof NginxBehaviour, OptionSchema>;

const BEHAVIOUR = objectOf(allOptional(behaviour));
const OPTIONS = objectOf({
  upstreamPort: wholeNumber(1, 65_535),
  ...allOptional({ ...behaviour, timeoutMs: wholeNumber(1, 2_147_483_647, " of ms"), signal: abortSignal() }),
} satisfies Record<keyof NginxOptions, OptionSchema>);

/** Checks the options, and returns a copy. Throws `bad-option`. */
export function checkNginxOptions(options: NginxOptions): NginxOptions {
  return checkOptions("startNginx", OPTIONS, options, badOption);
}

export function checkBehaviour(options: NginxBehaviour): NginxBehaviour {
  return checkOptions("reload", BEHAVIOUR, options, badOption);
}

function badOption(text: string, cause: unknown): SandboxError {
  return new SandboxError("bad-option", text, cause === undefined ? {} : { cause });
}
