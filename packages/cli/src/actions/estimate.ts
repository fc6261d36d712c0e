import { Estimator, type Cut } from "@stanzapack/estimate";
import { StanzapackError } from "@stanzapack/wire";
import { startFileProgress } from "../estimate/file-progress.js";
import { formatEstimate } from "../estimate/report.js";
import { openValueFile, type ValueFile, type ValueFileOptions } from "../estimate/value-file.js";
import { InputError } from "../input/input-error.js";
import { interruptible } from "../base/signals.js";

export interface EstimateOptions extends ValueFileOptions {
  readonly batch?: readonly number[];
  readonly window?: readonly number[];
  readonly json?: true;
}

const DEFAULT_BATCHES = [1, 10, 100] as const;

export async function estimate(path: string, options: EstimateOptions): Promise<void> {
  const name = path === "-" ? "stdin" : path;
  await interruptible(async ({ signal }) => {
    try {
      const file = await openValueFile(path, options, (note) => tell(`${name}: ${note}`), signal);
      const estimator = new Estimator({ workload: file.workload, cuts: cutsOf(options) });
      await feed(estimator, name, file, options.window !== undefined);
      const rows = await estimator.finish();
      if (rows.length === 0)
        throw new InputError(
          undefined,
          "it has no values",
          "write one JSON value a line, or CSV with a header",
        );
      const { intervalMs, serviceCount } = estimator;
      process.stdout.write(
        options.json
          ? `${JSON.stringify(rows)}\n`
          : `${formatEstimate(rows, { intervalMs, serviceCount })}\n`,
      );
    } catch (error) {
      throw error instanceof InputError ? error.in(name) : error;
    }
  });
}

async function feed(estimator: Estimator, name: string, file: ValueFile, timed: boolean): Promise<void> {
  const progress = startFileProgress(file.sizeBytes);
  try {
    for await (const { line, value, at, group } of file.values) {
      if (timed && at === undefined)
        throw new InputError(
          line,
          "it has no time, but a window needs times",
          'write {"t": ms, "v": value}, name the field of the time with --time, or use --batch',
        );
      try {
        await estimator.add(value, at, group);
      } catch (error) {
        if (!(error instanceof StanzapackError) || error.code === "internal") throw error;
        throw new StanzapackError(error.code, `${name}:${line}: ${error.text}`, { cause: error });
      }
      progress.update(file.readBytes);
    }
  } finally {
    progress.stop();
  }
}

function cutsOf({ batch, window }: EstimateOptions): Cut[] {
  if (window !== undefined) return [...new Set(window)].map((windowMs) => ({ windowMs }));
  return [...new Set(batch ?? DEFAULT_BATCHES)].map((size) => ({ batch: size }));
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}
