import { formatExact } from "../model/format.js";
import { numbersIn, unitOf } from "../model/numbers.js";
import { scaleAround, Series } from "../model/series.js";
import { formatValue } from "../model/value-text.js";
import { createChart, scaleIn, type Chart } from "./chart.js";
import { make, setText } from "./dom.js";
import { createPainter } from "./painter.js";

/** Most points of one small chart. */
const MAX_POINTS = 300;
const HEIGHT_PX = 120;
/** Most charts of a service whose values have other numbers each time. */
const MAX_GRAPHS = 12;

export interface ValueView {
  readonly element: HTMLElement;
  /** Takes a value. `at`: ms since 1970. */
  add(value: unknown, at: number): void;
  destroy(): void;
}

/**
 * Shows the newest value as text, and each number in it as a small chart. `title` of the service may tell the unit of a
 * value that is a number alone.
 */
export function createValueView(title: string): ValueView {
  const graphs = new Map<string, { readonly series: Series; readonly chart: Chart }>();
  const charts = make("div", { class: "charts" });
  const text = make("pre", { class: "value", tabindex: "0", role: "region", "aria-label": "Newest value" });
  const element = make("div", {}, charts, text);
  let newest: unknown;
  const painter = createPainter(() => {
    for (const { chart, series } of graphs.values()) chart.show(series);
    // A number alone stands beside its chart already.
    text.hidden = typeof newest === "number";
    if (typeof newest !== "number") setText(text, formatValue(newest));
  });

  function graphOf(path: string): { readonly series: Series; readonly chart: Chart } {
    const known = graphs.get(path);
    if (known !== undefined) return known;
    const unit = unitOf(path, path === "" ? title : "");
    const name = path === "" ? "value" : path;
    const chart = createChart({
      name: `${name} over time`,
      lines: [{ name, look: "ours" }],
      format: (value) => formatExact(value, unit),
      formatScale: scaleIn(unit),
      scale: scaleAround,
      heightPx: HEIGHT_PX,
    });
    const graph = { series: new Series(1, MAX_POINTS), chart };
    graphs.set(path, graph);
    charts.append(chart.element);
    return graph;
  }

  return {
    element,
    add(value, at) {
      newest = value;
      for (const [path, number] of numbersIn(value))
        if (graphs.has(path) || graphs.size < MAX_GRAPHS) graphOf(path).series.add(at, [number]);
      painter.touch();
    },
    destroy() {
      painter.stop();
      for (const { chart } of graphs.values()) chart.destroy();
      element.remove();
    },
  };
}
