import {
  allOptional,
  checkOptions,
  either,
  listOf,
  MAX_WINDOW_MS,
  objectOf,
  plainText,
  textThat,
  wholeNumber,
  type OptionSchema,
} from "@stanzapack/wire";
import type { Envelope } from "./envelope.js";
import type { EstimatorOptions } from "./estimator.js";

const MAX_CUTS = 1_000;
/** Most updates of a batch. A stanza may hold several frames, but nobody waits for more than a million updates. */
const MAX_BATCH = 1_000_000;

const cut = either(
  `{ batch: 1 to 1,000,000 updates } or { windowMs: 0 to 86,400,000 }`,
  objectOf({ batch: wholeNumber(1, MAX_BATCH, " of updates") }),
  objectOf({ windowMs: wholeNumber(0, MAX_WINDOW_MS, " of ms") }),
);

const address = plainText(1, 3_071, "an address");
const envelope = objectOf(
  {
    ...{ from: address, to: address, sid: plainText(1, 1_023) },
    ...allOptional({ lang: plainText(1, 100) }),
  } satisfies Record<keyof Envelope, OptionSchema>,
  "an object with from, to and sid",
);

const SCHEMA = objectOf({
  workload: textThat("a text", () => true),
  cuts: listOf(cut, 1, MAX_CUTS, "cuts"),
  ...allOptional({ envelope }),
} satisfies Record<keyof EstimatorOptions, OptionSchema>);

/** Throws `invalid-options`. */
export function checkEstimatorOptions(options: EstimatorOptions): void {
  checkOptions("Estimator", SCHEMA, options);
}
