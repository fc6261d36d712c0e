import { formatClock } from "../model/format.js";
import { formatInLine } from "../model/value-text.js";
import { make } from "./dom.js";
import { createPainter } from "./painter.js";
import type { ValueView } from "./value-view.js";

/** Most updates in the list. */
const MAX_ENTRIES = 100;

/** Shows the newest updates of a log, the newest first. */
export function createLogView(): ValueView {
  const list = make("ol", { class: "log", tabindex: "0", "aria-label": "Newest updates, the newest first" });
  let waiting: { readonly value: unknown; readonly at: number }[] = [];
  const painter = createPainter(() => {
    const entries = waiting.map(({ value, at }) =>
      make(
        "li",
        {},
        make("time", { datetime: new Date(at).toISOString() }, formatClock(at)),
        make("span", {}, formatInLine(value)),
      ),
    );
    waiting = [];
    list.prepend(...entries.reverse());
    while (list.childElementCount > MAX_ENTRIES) list.lastElementChild?.remove();
  });
  return {
    element: list,
    add(value, at) {
      waiting.push({ value, at });
      if (waiting.length > MAX_ENTRIES) waiting.shift();
      painter.touch();
    },
    destroy() {
      painter.stop();
      list.remove();
    },
  };
}
