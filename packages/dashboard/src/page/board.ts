import type { ComponentRow } from "@stanzapack/component";
import { findingsOf } from "../model/findings.js";
import { formatClock } from "../model/format.js";
import { Onsets } from "../model/onsets.js";
import { Rhythms } from "../model/rhythms.js";
import { find, make } from "./dom.js";
import { showLive } from "./live-view.js";
import { createOverviewView } from "./overview-view.js";
import { createPainter } from "./painter.js";
import { createPeersView } from "./peers-view.js";
import { createServicesView } from "./services-view.js";
import type { Session } from "./session.js";
import { createTrafficView } from "./traffic-view.js";

/** Time between two paintings of the tables, in ms: the component looks at itself once a second. */
const PAINT_MS = 500;

export interface Board {
  /** A row of the session has changed. */
  readonly touch: () => void;
  readonly addOverview: (row: ComponentRow, at: number) => void;
  /** Begins to show this session. */
  show(session: Session): void;
  /** Shows no session, and forgets everything about the last one. */
  clear(): void;
}

/** Everything that a logged-in administrator sees. */
export function createBoard(): Board {
  const findings = find("findings", "ul");
  const all = find("all-clients", "input");
  const live = find("live", "section");
  const overview = createOverviewView(find("overview", "div"));
  const peers = createPeersView(find("peers", "div"), find("cut-off", "div"));
  const services = createServicesView((node) => openLive(node));
  find("services", "div").replaceChildren(services.table.element);
  const traffic = createTrafficView(find("traffic", "div"));
  /** By how much the component's clock is ahead of the browser's, in ms. */
  let aheadMs = 0;
  const rhythms = new Rhythms();
  const onsets = new Onsets();
  let session: Session | undefined;
  let closeLive: (() => Promise<void>) | undefined;
  const painter = createPainter(paint, PAINT_MS);
  all.addEventListener("change", painter.touch);

  function paint(): void {
    const row = session?.overview;
    if (session === undefined || row === undefined) return;
    const now = Date.now() + aheadMs;
    overview.show(row, now);
    services.show(session.services, now);
    peers.show(session.clients, row.cutOff, all.checked);
    const silences = rhythms.observe(session.services, now);
    paintFindings({ overview: row, services: session.services, clients: session.clients, silences }, now);
  }

  function paintFindings(observed: Parameters<typeof findingsOf>[0], now: number): void {
    const items = onsets.date(findingsOf(observed), now).map(({ weight, text, since }) => {
      const item = make("li", { "data-weight": weight }, `${text} `);
      item.append(make("small", {}, `since ${formatClock(since)}`));
      return item;
    });
    const next = items.length > 0 ? items : [make("li", {}, "Nothing needs attention.")];
    const isSame =
      next.length === findings.children.length &&
      next.every((item, i) => item.isEqualNode(findings.children[i] ?? null));
    if (!isSame) findings.replaceChildren(...next);
  }

  function endLive(): void {
    // Without a link there is nothing to end.
    closeLive?.().catch(() => undefined);
    closeLive = undefined;
    live.hidden = true;
    services.table.mark(undefined);
  }

  function openLive(node: string): void {
    const row = session?.services.get(node);
    if (session === undefined || row === undefined) return;
    endLive();
    services.table.mark(node);
    live.hidden = false;
    const title = find("live-title", "h2");
    title.textContent = node;
    closeLive = showLive(live, session.client, node, row, endLive);
    title.focus();
  }

  return {
    touch: painter.touch,
    addOverview(row, at) {
      aheadMs = at - Date.now();
      traffic.add(row, at);
      painter.touch();
    },
    show(next) {
      session = next;
      painter.touch();
    },
    clear() {
      endLive();
      painter.stop();
      session = undefined;
      traffic.clear();
      rhythms.clear();
      onsets.clear();
    },
  };
}
