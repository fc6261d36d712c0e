/** Returns a whole number that the user gave as the text of an option. Throws for others, and for less than `min`. */
export function readWhole(name: string, text: string, min: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < min || number > 1_000_000_000)
    throw new Error(`${name} must be a whole number from ${min} to 1000000000, not \`${text}\``);
  return number;
}

/** Returns the choice that the user named, or all choices if the user named none. Throws for others. */
export function readChoice<T extends string>(
  name: string,
  text: string | undefined,
  choices: readonly T[],
): readonly T[] {
  if (text === undefined) return choices;
  const chosen = choices.filter((choice) => choice === text);
  if (chosen.length === 0) throw new Error(`${name} must be one of ${choices.join(", ")}, not \`${text}\``);
  return chosen;
}

/**
 * A signal that fires at the first SIGINT or SIGTERM. The second one ends the process at once, and its children with
 * it.
 */
export function onInterruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(1);
      controller.abort(new Error("interrupted"));
    });
  return controller.signal;
}
