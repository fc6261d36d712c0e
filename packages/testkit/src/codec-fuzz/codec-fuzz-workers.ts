import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { CodecFuzzReport } from "./codec-fuzz.js";
import type { FuzzOptions } from "../base/fuzz-command.js";

/** A worker's task. The worker reports its progress, and its report at the end. */
export interface CodecFuzzTask {
  readonly count: number;
  readonly seed: number;
}
export type CodecFuzzNews = { readonly done: number } | { readonly report: CodecFuzzReport };

/** Runs one worker for each processor, each with its own seed. The same seed on as many processors does the same. */
export async function fuzzCodecInWorkers({ count, seed, onProgress }: FuzzOptions): Promise<CodecFuzzReport> {
  const workers = Math.min(count, availableParallelism());
  const done = new Array<number>(workers).fill(0);
  const reports = await Promise.all(
    done.map((_, i) => {
      const share = Math.floor(count / workers) + (i < count % workers ? 1 : 0);
      return run({ count: share, seed: seed + i * 1_000_003 }, (batches) => {
        done[i] = batches;
        onProgress(done.reduce((sum, each) => sum + each, 0));
      });
    }),
  );
  const results: Record<string, number> = {};
  for (const report of reports)
    for (const [result, times] of Object.entries(report.results))
      results[result] = (results[result] ?? 0) + times;
  return {
    seed,
    batches: reports.reduce((sum, { batches }) => sum + batches, 0),
    results,
    slowestMs: Math.max(...reports.map(({ slowestMs }) => slowestMs)),
    heapGrowthBytes: Math.max(...reports.map(({ heapGrowthBytes = 0 }) => heapGrowthBytes)),
    findings: reports.flatMap((report) =>
      report.findings.map((finding) => `seed ${report.seed}, ${finding}`),
    ),
  };
}

function run(task: CodecFuzzTask, onProgress: (done: number) => void): Promise<CodecFuzzReport> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./codec-fuzz-worker.js", import.meta.url), { workerData: task });
    worker.on("message", (news: CodecFuzzNews) => {
      if ("done" in news) onProgress(news.done);
      else resolve(news.report);
    });
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`a worker ended early with exit code ${code}`)));
  });
}
