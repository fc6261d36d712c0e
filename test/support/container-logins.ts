import type { ConnectOptions } from "@stanzapack/client";
import type { Deployment } from "@stanzapack/testkit/containers";
import { eventually } from "./eventually.js";

/** An account of the containers that people use. */
export type User = "publisher" | "viewer";

/** What a client outside of the containers needs. */
export interface Logins {
  /** PEM of the authority that the first start has made. */
  readonly ca: string;
  readonly passwords: Readonly<Record<User, string>>;
  /** Over TCP, to the first node of the component. */
  optionsOf(user: User): ConnectOptions;
}

/** Waits until the first start has made the accounts. */
export async function readLogins(containers: Deployment): Promise<Logins> {
  const file = (path: string): Promise<string> => eventually(() => containers.exec("xmpp", "cat", path));
  const ca = `${await file("/tls/ca.pem")}\n`;
  const passwords = {
    publisher: await file("/accounts/publisher.password"),
    viewer: await file("/accounts/viewer.password"),
  };
  return {
    ...{ ca, passwords },
    optionsOf: (user) => ({
      ...{ jid: `${user}@localhost`, password: passwords[user], component: "streams.localhost" },
      ...{ url: `xmpp://127.0.0.1:${containers.ports.xmpp}`, ca },
    }),
  };
}
