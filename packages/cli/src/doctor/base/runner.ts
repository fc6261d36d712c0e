import type { Check, Finding, Result } from "./check.js";
import { failure, skipped } from "./check.js";
import { textOf } from "./text-of.js";

/** The result of one check. */
export interface Outcome extends Finding {
  readonly check: Pick<Check<never>, "id" | "side">;
}

export interface RunHooks {
  readonly onBegin?: (id: string) => void;
  readonly onOutcome?: (outcome: Outcome) => void;
}

/**
 * Runs checks one after another, in their order. A check whose `needs` are not met is skipped. When `signal` aborts,
 * the check that runs gets no outcome, and the rest is left out.
 */
export async function runChecks<State>(
  checks: readonly Check<State>[],
  state: State,
  signal: AbortSignal,
  { onBegin, onOutcome }: RunHooks = {},
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const results = new Map<string, Result>();
  for (const check of checks) {
    if (signal.aborted) break;
    onBegin?.(check.id);
    const unmet = describeUnmet(check, results);
    const finding = unmet === undefined ? await runOne(check, state, signal) : skipped(unmet);
    if (finding === undefined) break;
    results.set(check.id, finding.result);
    const outcome = { ...finding, check };
    outcomes.push(outcome);
    onOutcome?.(outcome);
  }
  return outcomes;
}

/** Undefined if the check may run. */
function describeUnmet(
  { needs = [], needsOneOf = [] }: Check<never>,
  results: ReadonlyMap<string, Result>,
): string | undefined {
  const isMet = (id: string): boolean => ["ok", "warning"].includes(results.get(id) ?? "skipped");
  const missing = needs.find((id) => !isMet(id));
  if (missing !== undefined) return `needs \`${missing}\``;
  if (needsOneOf.length === 0 || needsOneOf.some(isMet)) return undefined;
  return `needs one of ${needsOneOf.map((id) => `\`${id}\``).join(", ")}`;
}

/** Undefined if `signal` aborts first. */
async function runOne<State>(
  { deadlineMs, run }: Check<State>,
  state: State,
  signal: AbortSignal,
): Promise<Finding | undefined> {
  const ending = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let interrupt = (): void => undefined;
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(
      () =>
        resolve(
          failure(`no result within ${deadlineMs / 1_000} s`, "Look for a firewall that drops packets."),
        ),
      deadlineMs,
    );
  });
  const interrupted = new Promise<undefined>((resolve) => {
    interrupt = () => resolve(undefined);
    signal.addEventListener("abort", interrupt);
  });
  const running = Promise.resolve()
    .then(() => run(state, AbortSignal.any([signal, ending.signal])))
    .catch((error: unknown) => failure(textOf(error), "The text names the cause."));
  try {
    return await Promise.race([running, late, interrupted]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", interrupt);
    ending.abort();
  }
}
