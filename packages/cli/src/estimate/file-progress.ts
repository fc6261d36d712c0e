import { Presets, SingleBar } from "cli-progress";

/** A short file needs none, in ms. */
const SHOWN_AFTER_MS = 1_000;

export interface FileProgress {
  update(bytes: number): void;
  stop(): void;
}

/** How far the file is, on a terminal's stderr; elsewhere nothing. */
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
