import {
  compareServices,
  ComparisonRates,
  FORMS,
  WHOLE,
  type Comparison,
  type ComparedService,
} from "../model/comparison.js";
import { formatByteRate, formatNumber, formatTimes, formatWith, UNKNOWN } from "../model/format.js";
import { scaleFromZero, Series } from "../model/series.js";
import { createChart } from "./chart.js";
import { createTable } from "./table.js";

const EVERY_MS = 1_000;
const MAX_POINTS = 600;

/**
 * Shows the bytes of the same values in three forms, which the page's server counts. Asks once a second, and not while
 * the tab is hidden. Returns a function that ends that.
 */
export function showComparison(into: HTMLElement): () => void {
  const series = new Series(FORMS.length, MAX_POINTS);
  const rates = new ComparisonRates();
  const chart = createChart({
    name: "Bytes a second of each form",
    lines: [
      { name: "Stanzapack", look: "ours" },
      { name: "one JSON message a value", look: "json" },
      { name: "one JSON list a window", look: "batch" },
    ],
    format: formatByteRate,
    scale: scaleFromZero,
    heightPx: 220,
  });
  const table = createTable({
    name: "Bytes per update of each form",
    isNarrow: true,
    columns: [
      { name: "service" },
      { name: "updates", isNumber: true },
      { name: "Stanzapack", isNumber: true },
      { name: "JSON message", isNumber: true },
      { name: "JSON list", isNumber: true },
    ],
  });
  into.append(chart.element, table.element);

  const ask = async (): Promise<void> => {
    if (document.hidden) return;
    const response = await fetch("/comparison.json");
    const { rows } = (await response.json()) as Comparison;
    const now = Date.now();
    const found = rates.rates(rows, now);
    if (found !== undefined) series.add(now, found);
    chart.show(series);
    table.show(compareServices(rows).map(toRow), rows.length === 0 ? "The measurement begins soon." : "");
  };
  // A failure means that the server has ended. The page says that by its lost connection.
  const again = (): void => void ask().catch(() => undefined);
  again();
  const timer = setInterval(again, EVERY_MS);
  return () => {
    clearInterval(timer);
    chart.destroy();
    table.element.remove();
  };
}

function toRow({ service, updates, bytesPerUpdate }: ComparedService): { key: string; cells: string[] } {
  const [ours = null] = bytesPerUpdate;
  return {
    key: service === WHOLE ? "all services" : service,
    cells: [
      formatNumber(updates),
      ...bytesPerUpdate.map((bytes, i) => {
        if (bytes === null) return UNKNOWN;
        const times = i === 0 || ours === null ? "" : ` (${formatTimes(bytes, ours)})`;
        return `${formatWith(bytes, "B")}${times}`;
      }),
    ],
  };
}
