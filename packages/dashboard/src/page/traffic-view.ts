import type { ComponentRow } from "@stanzapack/component";
import { formatByteRate } from "../model/format.js";
import { scaleFromZero, Series } from "../model/series.js";
import { createChart } from "./chart.js";
import { createPainter } from "./painter.js";

/** Points of the chart: ten minutes at one a second. */
const MAX_POINTS = 600;

/** Shows our bytes to all subscribers beside those of JSON, over time. */
export function createTrafficView(into: HTMLElement): {
  add(row: ComponentRow, at: number): void;
  clear(): void;
} {
  const series = new Series(2, MAX_POINTS);
  const chart = createChart({
    name: "Bytes a second to all subscribers",
    lines: [
      { name: "Stanzapack", look: "ours" },
      { name: "as JSON", look: "json" },
    ],
    format: formatByteRate,
    scale: scaleFromZero,
    heightPx: 220,
  });
  into.replaceChildren(chart.element);
  const painter = createPainter(() => chart.show(series));
  return {
    add({ chars, jsonChars }, at) {
      series.add(at, [chars, jsonChars]);
      painter.touch();
    },
    clear() {
      series.clear();
      painter.touch();
    },
  };
}
