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

/** What every command with rows is given. */
export interface RunContext<Row> {
  /** Fires when the user interrupts the command. */
  readonly signal: AbortSignal;
  /** Receives progress, line by line. */
  readonly tell: (text: string) => void;
  readonly onRow: (row: Row) => void;
}

/** A command that makes rows, each with what was found wrong. */
export interface RowCommand<Args, Row> {
  readonly usage: string;
  /** Reads the command line. Throws for wrong arguments. */
  readonly read: () => Args;
  readonly run: (args: Args, context: RunContext<Row>) => Promise<void>;
  /** Formats all rows as text, with a line break at the end. */
  readonly format: (rows: readonly Row[]) => string;
  /** What a row is called, in the plural. */
  readonly rowsAre: string;
}

/** Runs the command. Rows go to stdout, progress to stderr. Returns the exit status: 1 for a finding, 2 for wrong arguments. */
export async function runRowCommand<
  Args extends { readonly json: boolean; readonly help: boolean },
  Row extends { readonly findings: readonly string[] },
>({ usage, read, run, format, rowsAre }: RowCommand<Args, Row>): Promise<0 | 1 | 2> {
  let args: Args;
  try {
    args = read();
  } catch (error) {
    process.stderr.write(`${usage}\nstanzapack: usage: ${(error as Error).message}\n`);
    return 2;
  }
  if (args.help) {
    process.stdout.write(usage);
    return 0;
  }
  const start = performance.now();
  const tell = (text: string): void => {
    const seconds = ((performance.now() - start) / 1_000).toFixed(1).padStart(6);
    process.stderr.write(`${seconds} s  ${text}\n`);
  };
  const rows: Row[] = [];
  let failure: string | undefined;
  try {
    await run(args, { signal: onInterruption(), tell, onRow: (row) => rows.push(row) });
  } catch (error) {
    failure = (error as Error).message.trim().replace(/\s*\n\s*/g, " ");
  }
  // After an interruption, the rows before it are written too.
  process.stdout.write(args.json ? `${JSON.stringify(rows)}\n` : format(rows));
  const wrong = rows.filter(({ findings }) => findings.length > 0).length;
  if (wrong > 0) failure ??= `${wrong} of ${rows.length} ${rowsAre} have findings`;
  if (failure === undefined) return 0;
  process.stderr.write(`stanzapack: internal: ${failure}\n`);
  return 1;
}

/**
 * A signal that fires at the first SIGINT or SIGTERM. The second one ends the process at once, and its children with
 * it.
 */
function onInterruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(1);
      controller.abort(new Error("interrupted"));
    });
  return controller.signal;
}
