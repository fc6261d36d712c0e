import { Presets, SingleBar } from "cli-progress";

/** Time before the bar appears, in ms. A short file needs no bar. */
const SHOWN_AFTER_MS = 1_000;

export interface FileProgress {
  update(bytes: number): void;
  stop(): void;
}

/** Shows on stderr how much of the file is read, if stderr is a terminal. */
export function startFileProgress(sizeBytes: number): FileProgress {
  const startedAt = performance.now();
  let bar: SingleBar | undefined;
  return {
    update(bytes) {
      if (bar === undefined) {
        if (sizeBytes === 0 || !process.stderr.isTTY || performance.now() - startedAt < SHOWN_AFTER_MS)
          return;
        const options = { stream: process.stderr, clearOnComplete: true, hideCursor: true };
        bar = new SingleBar(
          { ...options, format: "{bar} {percentage} %, {eta_formatted} left" },
          Presets.shades_classic,
        );
        bar.start(sizeBytes, bytes);
      }
      bar.update(bytes);
    },
    stop: () => bar?.stop(),
  };
}
