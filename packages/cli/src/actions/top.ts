import type { Client, Subscription } from "@stanzapack/client";
import type { ClientRow, ComponentRow, ServiceRow } from "@stanzapack/component";
import type { StanzapackError, Value } from "@stanzapack/wire";
import { createLogUpdate } from "log-update";
import type { ConnectionOptions } from "../base/connection-options.js";
import { endOfPrinting, interruptible, untilAborted } from "../base/signals.js";
import { withClient } from "../base/with-client.js";
import { subscribeAsAdmin } from "../top/subscribe-as-admin.js";
import type { Sort } from "../top/sorts.js";
import { formatView, type Snapshot } from "../top/view.js";

export interface TopOptions extends ConnectionOptions {
  /** Time between two views, in ms. */
  readonly interval: number;
  readonly sort: Sort;
  readonly rows: number;
  readonly count?: number;
  readonly json?: true;
}

export async function top(options: TopOptions): Promise<void> {
  await interruptible(async (interruption) => {
    const ending = endOfPrinting(interruption);
    const { signal } = ending;
    await withClient(options, { signal }, async (client) => {
      const feed = await subscribe(client, options);
      const show = createPrinter(options);
      let left = options.count ?? Infinity;
      let failure: StanzapackError | undefined;
      feed.overview.on("update", ({ value, at }) => {
        const { services, clients } = feed;
        if (!services.synced || !clients.synced || left <= 0) return;
        show.view({
          ...{ component: options.component ?? "", overview: value, at },
          ...{ services: services.map, clients: clients.map },
        });
        if (--left <= 0) ending.abort();
      });
      const fail = (error: StanzapackError | undefined): void => {
        failure ??= error;
        ending.abort();
      };
      feed.overview.on("ended", fail);
      feed.services.on("ended", fail);
      feed.clients.on("ended", fail);
      client.on("offline", (reason) => show.notice(`not connected: ${reason.message}`));
      await untilAborted(signal);
      show.done();
      if (failure !== undefined) throw failure;
    });
  });
}

interface Feed {
  readonly overview: Subscription<ComponentRow>;
  readonly services: Subscription<ServiceRow>;
  readonly clients: Subscription<ClientRow>;
}

async function subscribe(client: Client, { component = "", interval: windowMs }: TopOptions): Promise<Feed> {
  const [overview, services, clients] = await subscribeAsAdmin(
    client,
    component,
    (to) => [to<ComponentRow>("overview"), to<ServiceRow>("services"), to<ClientRow>("clients")],
    windowMs,
  );
  return { overview, services, clients };
}

interface Printer {
  view(snapshot: Snapshot): void;
  /** Says something beside the views. */
  notice(text: string): void;
  done(): void;
}

/** A terminal has the view in its place; a file or a pipe has one view after another. */
function createPrinter(options: TopOptions): Printer {
  const { stdout, stderr } = process;
  const notice = (text: string): void => void stderr.write(`${text}\n`);
  if (options.json === true)
    return { view: (snapshot) => void stdout.write(toLine(snapshot)), notice, done: () => undefined };
  if (!stdout.isTTY)
    return {
      view: (snapshot) => void stdout.write(`${formatView(snapshot, options)}\n\n`),
      ...{ notice, done: () => undefined },
    };
  const update = createLogUpdate(stdout);
  let shown = "";
  return {
    view(snapshot) {
      shown = formatView(snapshot, options);
      update(shown);
    },
    notice: (text) => update(`${shown}\n\n${text}`),
    done: () => update.done(),
  };
}

function toLine({ overview, services, clients, at }: Snapshot): string {
  const row: Record<string, Value> = {
    at,
    overview: overview as unknown as Value,
    services: Object.fromEntries(services) as unknown as Value,
    clients: Object.fromEntries(clients) as unknown as Value,
  };
  return `${JSON.stringify(row)}\n`;
}
