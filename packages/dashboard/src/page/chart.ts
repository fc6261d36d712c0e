import uPlot from "uplot";
import { formatClock, formatTick } from "../model/format.js";
import type { Series } from "../model/series.js";
import { colour, onColours } from "./colours.js";
import { make, setText } from "./dom.js";

export interface ChartLine {
  /** Name in the legend. Also a class of the style sheet, by `look`. */
  readonly name: string;
  /** `ours` draws with the colour `--ours`, and so on. */
  readonly look: "ours" | "json" | "batch";
}

export interface ChartOptions {
  /** What the chart shows, for those who do not see it. */
  readonly name: string;
  readonly lines: readonly ChartLine[];
  /** Writes a number of the legend, with its unit. */
  readonly format: (value: number) => string;
  /** Writes a number of the scale, where the scale has one each `increment`. Default: as `format`. */
  readonly formatScale?: ((value: number, increment: number) => string) | undefined;
  /** The ends of the scale for the least and the greatest number shown. */
  readonly scale: (least: number | null, greatest: number | null) => [number, number];
  readonly heightPx: number;
}

export interface Chart {
  readonly element: HTMLElement;
  /** Shows the points, and the newest of each line as text. */
  show(series: Series): void;
  destroy(): void;
}

/** Width before the page has said how wide the chart is, in px. */
const FIRST_WIDTH_PX = 300;
/** Distances between two times of the axis, in seconds: no two have the same text. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400];
/** A chart below this height has its numbers closer together, so that it has at least two. */
const SMALL_PX = 150;
const FONT = "11px system-ui, sans-serif";

/** Draws lines over time with a scale on each axis, and a legend with the newest numbers. */
export function createChart({ name, lines, format, formatScale, scale, heightPx }: ChartOptions): Chart {
  const numbers = lines.map(() => make("b"));
  const legend = lines.map((line, i) =>
    make("span", {}, make("i", { class: line.look }), line.name, " ", numbers[i] as HTMLElement),
  );
  const plot = make("div", { class: "plot", role: "img", "aria-label": name });
  const element = make("figure", { class: "chart" }, make("figcaption", {}, ...legend), plot);
  const axis: uPlot.Axis = {
    stroke: () => colour("--soft"),
    grid: { stroke: () => colour("--grid"), width: 1 },
    ticks: { stroke: () => colour("--grid"), width: 1, size: 4 },
    font: FONT,
  };
  const chart = new uPlot(
    {
      width: FIRST_WIDTH_PX,
      height: heightPx,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 26, 0, 0],
      scales: { y: { range: (_, least, greatest) => scale(least, greatest) } },
      axes: [
        {
          ...axis,
          size: 26,
          space: 80,
          incrs: TIME_STEPS,
          values: (_, splits) => splits.map((seconds) => formatClock(seconds * 1_000)),
        },
        {
          ...axis,
          space: heightPx < SMALL_PX ? 16 : 28,
          size: (_, texts) =>
            (texts ?? []).reduce((most, text) => Math.max(most, text.length * 6.2), 20) + 12,
          values: (_u, splits, _axis, _space, increment) =>
            splits.map((value) => formatScale?.(value, increment) ?? format(value)),
        },
      ],
      series: [
        {},
        ...lines.map(({ look }) => ({
          stroke: () => colour(`--${look}`),
          width: 1.75,
          points: { show: false },
        })),
      ],
    },
    [[], ...lines.map(() => [])],
    plot,
  );
  const sizes = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0);
    if (width > 0 && width !== chart.width) chart.setSize({ width, height: heightPx });
  });
  sizes.observe(plot);
  const forget = onColours(() => chart.redraw(false));
  return {
    element,
    show({ times, lines: values }) {
      chart.setData([times, ...values]);
      const texts = values.map((line) => {
        const newest = line.at(-1) ?? null;
        return newest === null ? "" : format(newest);
      });
      texts.forEach((text, i) => setText(numbers[i] as HTMLElement, text));
      const told = lines.map((line, i) => `${line.name} ${texts[i]}`).join(", ");
      plot.setAttribute("aria-label", `${name}: ${told}`);
    },
    destroy() {
      forget();
      sizes.disconnect();
      chart.destroy();
      element.remove();
    },
  };
}

/** Writes the numbers of a scale with as many digits as its steps have. */
export function scaleIn(unit: string): (value: number, increment: number) => string {
  return (value, increment) => formatTick(value, increment, unit);
}
