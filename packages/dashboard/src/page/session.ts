import { connect, type Client, type StanzapackError } from "@stanzapack/client";
import type { ClientRow, ComponentRow, ServiceRow } from "@stanzapack/component";
import type { DashboardSettings } from "../model/settings.js";

/** Window of the component's own services, in ms: it looks at itself once a second. */
const WINDOW_MS = 1_000;

export interface SessionEvents {
  /** The component, a service or a client has another row. */
  readonly onChange: () => void;
  /** A new row of the component: once a second. */
  readonly onOverview: (row: ComponentRow, at: number) => void;
  /** The page has a link now, or has lost it for this reason. */
  readonly onLink: (lost: StanzapackError | undefined) => void;
  /** The session has ended by itself. */
  readonly onEnded: (error: unknown) => void;
}

/** An administrator's connection, and what the component tells him. */
export interface Session {
  readonly client: Client;
  readonly overview: ComponentRow | undefined;
  /** Services by node. */
  readonly services: ReadonlyMap<string, ServiceRow>;
  /** Clients by full JID. */
  readonly clients: ReadonlyMap<string, ClientRow>;
  close(): Promise<void>;
}

/** Logs in, and subscribes to the component's own services. Rejects with the reason if the component refuses one. */
export async function openSession(
  account: { readonly jid: string; readonly password: string },
  { component, websocketUrl, boshUrl }: DashboardSettings,
  events: SessionEvents,
): Promise<Session> {
  const urls = [websocketUrl, boshUrl].filter((url) => url !== undefined);
  // A hidden tab receives nothing.
  const client = await connect({
    ...account,
    component,
    inactive: "pause",
    ...(urls.length > 0 && { urls }),
  });
  let closed = false;
  const endWith = (error: unknown): void => {
    if (closed) return;
    closed = true;
    events.onEnded(error);
    void client.close();
  };
  try {
    const options = { windowMs: WINDOW_MS };
    const [overview, services, clients] = await Promise.all([
      client.subscribe<ComponentRow>(`${component}/overview`, options),
      client.subscribe<ServiceRow>(`${component}/services`, options),
      client.subscribe<ClientRow>(`${component}/clients`, options),
    ]);
    let row: ComponentRow | undefined;
    overview.on("update", ({ value, at }) => {
      row = value;
      events.onOverview(value, at);
    });
    for (const rows of [services, clients]) {
      rows.on("change", events.onChange);
      rows.on("synced", events.onChange);
    }
    for (const subscription of [overview, services, clients])
      subscription.on("ended", (error) => error !== undefined && endWith(error));
    client.on("offline", events.onLink);
    client.on("online", () => events.onLink(undefined));
    client.on("closed", endWith);
    pauseWhileHidden(client);
    events.onLink(undefined);
    return {
      client,
      get overview() {
        return row;
      },
      get services() {
        return services.map;
      },
      get clients() {
        return clients.map;
      },
      async close() {
        closed = true;
        await client.close();
      },
    };
  } catch (error) {
    closed = true;
    await client.close();
    throw error;
  }
}

function pauseWhileHidden(client: Client): void {
  const follow = (): void => {
    client.setActive(document.visibilityState === "visible").catch(() => undefined);
  };
  document.addEventListener("visibilitychange", follow);
  client.on("closed", () => document.removeEventListener("visibilitychange", follow));
  if (document.visibilityState !== "visible") follow();
}
