import type { Client, Subscription } from "@stanzapack/client";
import type { ServiceRow } from "@stanzapack/component";
import { formatNumber, formatWindow } from "../model/format.js";
import { make, setText } from "./dom.js";
import { createLogView } from "./log-view.js";
import { createMapView } from "./map-view.js";
import { createValueView } from "./value-view.js";

/** Windows to choose from, in ms. */
const WINDOWS_MS = [0, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
/** Window without another subscriber, in ms. */
const DEFAULT_WINDOW_MS = 1_000;

/**
 * Shows the values of one service in `into`, and the tools for it. `onEnd`: the user has pressed Stop. Returns a
 * function that ends the subscription and removes everything.
 */
export function showLive(
  into: HTMLElement,
  client: Client,
  node: string,
  { title, kind, windowMs }: Pick<ServiceRow, "title" | "kind" | "windowMs">,
  onEnd: () => void,
): () => Promise<void> {
  const select = make(
    "select",
    {},
    ...WINDOWS_MS.map((ms) => make("option", { value: String(ms) }, formatWindow(ms))),
  );
  // The publisher need not send more often for this page than it does already.
  select.value = String(
    WINDOWS_MS.findLast((ms) => ms <= (windowMs ?? DEFAULT_WINDOW_MS)) ?? DEFAULT_WINDOW_MS,
  );
  const stop = make("button", { type: "button", class: "quiet" }, "Stop");
  const note = make("span", { class: "note", role: "status" });
  const tools = make("div", { class: "tools" }, make("label", {}, "Window", select), stop, note);
  const head = make("p", { class: "hint" }, title === "" ? `${kind} service` : title);
  const body = make("div");
  into.append(head, tools, body);

  let count = 0;
  let subscription: Subscription | undefined;
  let view: { destroy(): void } | undefined;
  let ended = false;
  const tell = (text: string): void => setText(note, text);
  const tellError = (error: unknown): void => tell(error instanceof Error ? error.message : String(error));

  const open = async (): Promise<void> => {
    tell("subscribing …");
    const made = await client.subscribe(node, {
      windowMs: Number(select.value),
      onPending: () => tell("waiting for the publisher's approval …"),
    });
    if (ended) return made.stop();
    subscription = made;
    tell("waiting for a value …");
    made.on("ended", (error) => error !== undefined && tellError(error));
    made.on("lost", ({ from, to, reason }) => tell(`lost ${formatNumber(to - from + 1)} updates: ${reason}`));
    made.on("status", ({ status }) => tell(status === "online" ? "" : `now ${status}`));
    view = made.kind === "map" ? followMap(made) : followUpdates(made);
  };

  function followMap(made: Subscription): { destroy(): void } {
    const shown = createMapView(made);
    body.replaceChildren(shown.element);
    made.on("change", shown.touch);
    made.on("synced", () => {
      tell("");
      shown.touch();
    });
    return shown;
  }

  function followUpdates(made: Subscription): { destroy(): void } {
    const shown = made.kind === "log" ? createLogView() : createValueView(title);
    body.replaceChildren(shown.element);
    made.on("update", ({ value, at }) => {
      count++;
      shown.add(value, at);
      tell(count === 1 ? "1 update" : `${formatNumber(count)} updates`);
    });
    return shown;
  }

  select.addEventListener("change", () => {
    subscription?.change({ windowMs: Number(select.value) }).catch(tellError);
  });
  stop.addEventListener("click", onEnd);
  open().catch(tellError);
  return async () => {
    ended = true;
    view?.destroy();
    for (const part of [head, tools, body]) part.remove();
    await subscription?.stop();
  };
}
