import { Estimator, type Cut } from "@stanzapack/estimate";
import { StanzapackError, type Profile } from "@stanzapack/wire";
import { startFileProgress } from "../estimate/file-progress.js";
import { InputError } from "../estimate/input-error.js";
import { formatEstimate } from "../estimate/report.js";
import { openValueFile, type ValueFile } from "../estimate/value-file.js";
import { interruptible } from "../signals.js";

export interface EstimateOptions {
  readonly batch?: readonly number[];
  readonly window?: readonly number[];
  readonly profile: Profile;
  readonly json?: true;
}

const DEFAULT_BATCHES = [1, 10, 100] as const;

export async function estimate(path: string, options: EstimateOptions): Promise<void> {
  await interruptible(async ({ signal }) => {
    const file = await openValueFile(path, signal);
    const { profile } = options;
    const estimator = new Estimator({ workload: file.workload, cuts: cutsOf(options), profile });
    await feed(estimator, path, file, options.window !== undefined);
    const rows = await estimator.finish();
    if (rows.length === 0)
      throw new InputError(
        undefined,
        "it has no values",
        "write one JSON value a line, or CSV with a header",
        path,
      );
    process.stdout.write(options.json ? `${JSON.stringify(rows)}\n` : `${formatEstimate(rows)}\n`);
  });
}

async function feed(estimator: Estimator, path: string, file: ValueFile, timed: boolean): Promise<void> {
  const progress = startFileProgress(file.sizeBytes);
  try {
    for await (const { line, value, at } of file.values) {
      if (timed && at === undefined)
        throw new InputError(
          line,
          "it has no time, which a window needs",
          'write {"t": ms, "v": value}, or a column t in ms; or use --batch',
        );
      try {
        await estimator.add(value, at);
      } catch (error) {
        if (!(error instanceof StanzapackError) || error.code === "internal") throw error;
        throw new StanzapackError(error.code, `${path}:${line}: ${error.text}`, { cause: error });
      }
      progress.update(file.readBytes);
    }
  } catch (error) {
    throw error instanceof InputError ? error.in(path) : error;
  } finally {
    progress.stop();
  }
}

function cutsOf({ batch, window }: EstimateOptions): Cut[] {
  if (window !== undefined) return [...new Set(window)].map((windowMs) => ({ windowMs }));
  return [...new Set(batch ?? DEFAULT_BATCHES)].map((size) => ({ batch: size }));
}
