/** `skipped`: not looked at, and `found` says why. */
export type Result = "ok" | "warning" | "failure" | "skipped";

/** The machine from which a check looks: the component's, or a client's. */
export type Side = "component" | "client";

/** How to fix a finding, in one or two sentences for each server. One text if both servers have the same remedy. */
export type Remedy = string | { readonly prosody: string; readonly ejabberd: string };

export interface Finding {
  readonly result: Result;
  /** One line: what was seen. It may have text of the server. */
  readonly found: string;
  /** Only for warnings and failures. */
  readonly fix?: Remedy;
}

/** One check of a deployment. `State` is what the checks of one side share. */
export interface Check<State> {
  /** Unique on both sides, in kebab-case. */
  readonly id: string;
  readonly side: Side;
  /** After this time the check counts as failed, in ms. It is longer than each wait inside the check. */
  readonly deadlineMs: number;
  /** Earlier checks that must not have failed, and must not have been skipped. */
  readonly needs?: readonly string[];
  /** Earlier checks of which one must have succeeded. */
  readonly needsOneOf?: readonly string[];
  /** What it throws is a failure. `signal` aborts at the deadline, and when the user interrupts the command. */
  readonly run: (state: State, signal: AbortSignal) => Finding | Promise<Finding>;
}

export const ok = (found: string): Finding => ({ result: "ok", found });
export const skipped = (found: string): Finding => ({ result: "skipped", found });
export const warning = (found: string, fix: Remedy): Finding => ({ result: "warning", found, fix });
export const failure = (found: string, fix: Remedy): Finding => ({ result: "failure", found, fix });

const WEIGHT: Readonly<Record<Result, number>> = { skipped: 0, ok: 1, warning: 2, failure: 3 };

/** Joins findings about several addresses: the worst one first, and its remedy. `findings` has at least one. */
export function worst(findings: readonly Finding[]): Finding {
  const [first, ...others] = [...findings].sort((a, b) => WEIGHT[b.result] - WEIGHT[a.result]);
  if (first === undefined) throw new Error("there is no finding");
  return { ...first, found: [first, ...others].map(({ found }) => found).join("; ") };
}
