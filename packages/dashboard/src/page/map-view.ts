import { formatNumber } from "../model/format.js";
import { formatInLine } from "../model/value-text.js";
import { make } from "./dom.js";
import { createPainter } from "./painter.js";
import { createTable } from "./table.js";

/** Most keys in the table. */
const MAX_KEYS = 200;

export interface MapView {
  readonly element: HTMLElement;
  /** The map has changed. */
  readonly touch: () => void;
  destroy(): void;
}

/** Shows the first keys of a subscription's map in order, with their values. */
export function createMapView(source: { readonly map: ReadonlyMap<string, unknown> }): MapView {
  const table = createTable({
    name: "Keys and values",
    columns: [{ name: "key" }, { name: "value", isLong: true, isMono: true }],
  });
  const element = make("div", {}, table.element);
  const painter = createPainter(() => {
    const { map } = source;
    const keys = [...map.keys()].sort();
    const rows = keys.slice(0, MAX_KEYS).map((key) => ({ key, cells: [formatInLine(map.get(key))] }));
    const more = keys.length - rows.length;
    table.show(
      rows,
      more > 0 ? `${formatNumber(more)} more keys are not shown.` : `${formatNumber(keys.length)} keys`,
    );
  }, 500);
  painter.touch();
  return {
    element,
    touch: painter.touch,
    destroy() {
      painter.stop();
      element.remove();
    },
  };
}
