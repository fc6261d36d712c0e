/** Paints when something has changed. */
export interface Painter {
  /** Says that something has changed. */
  readonly touch: () => void;
  readonly stop: () => void;
}

/**
 * Makes a painter that calls `paint` soon after `touch`, and at most once in `everyMs` ms. A hidden tab paints nothing:
 * browsers call no animation frame of it.
 */
export function createPainter(paint: () => void, everyMs = 250): Painter {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let frame: number | undefined;
  let paintedAt = -Infinity;
  const begin = (): void => {
    timer = undefined;
    frame = requestAnimationFrame((now) => {
      frame = undefined;
      paintedAt = now;
      paint();
    });
  };
  return {
    touch() {
      if (timer !== undefined || frame !== undefined) return;
      timer = setTimeout(begin, Math.max(0, paintedAt + everyMs - performance.now()));
    },
    stop() {
      clearTimeout(timer);
      if (frame !== undefined) cancelAnimationFrame(frame);
      timer = frame = undefined;
    },
  };
}
