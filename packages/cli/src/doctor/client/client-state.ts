import {
  createClientConnection,
  type ClientConnectionOptions,
  type Connection,
  type TransportKind,
} from "@stanzapack/xmpp";
import type { Client } from "@stanzapack/client";

/** What the command line says. */
export interface ClientTarget {
  readonly jid: string;
  /** Domain of the JID, as in JIDs and in ASCII. */
  readonly domain: string;
  readonly asciiDomain: string;
  readonly passwordFile: string;
  readonly component: string;
  readonly caFile: string | undefined;
  /** Addresses of the command line. */
  readonly given: Readonly<Partial<Record<TransportKind, string>>>;
  /** Bytes a second that the busiest publisher sends. Undefined: the recommended rate is enough. */
  readonly loadBytesPerSecond: number | undefined;
}

/** What the checks of a client's side share. Each field is set by the check that finds it out. */
export interface ClientState {
  readonly target: ClientTarget;
  password?: string;
  /** PEM of a further authority. */
  ca?: string;
  readonly addresses: Record<TransportKind, readonly string[]>;
  /** Addresses whose certificate clients refuse: no login is tried there. */
  readonly distrusted: Set<string>;
  /** The server has refused the account. Doctor tries no second time, since servers lock addresses out. */
  refused: boolean;
  /** Login that later checks use, and the address that it uses. */
  connection?: Connection;
  url?: string;
  /** Ids of component processes that have answered. */
  readonly processes: Set<string>;
  /** A second login, for checks that fill its connection. */
  spare?: Connection;
  /** Measured rate of the way to the server, in bytes a second. */
  bytesPerSecond?: number;
  client?: Client;
  /** Time that HTTP servers told, for a server without XEP-0202. */
  httpDate?: { readonly theirs: number; readonly asked: number; readonly answered: number };
}

/** The checks of which one must succeed before a check that needs a login. */
export const LOGINS: readonly string[] = ["tcp", "websocket", "bosh"];

/** Longest wait for a login, in ms. It is below the deadlines of the checks. */
export const LOGIN_MS = 8_000;

export function createClientState(target: ClientTarget): ClientState {
  const { given } = target;
  const listOf = (kind: TransportKind): readonly string[] => (given[kind] === undefined ? [] : [given[kind]]);
  return {
    target,
    addresses: { tcp: listOf("tcp"), websocket: listOf("websocket"), bosh: listOf("bosh") },
    distrusted: new Set(),
    refused: false,
    processes: new Set(),
  };
}

/** Logs in at one address. Rejects with `XmppError`, and then leaves no connection. */
export async function logIn(
  { target, password = "", ca }: ClientState,
  url: string,
  signal: AbortSignal,
  more: Partial<ClientConnectionOptions> = {},
): Promise<Connection> {
  const connection = createClientConnection({
    ...{ jid: target.jid, password, url, timeouts: { onlineMs: LOGIN_MS } },
    ...(ca !== undefined && { ca }),
    ...more,
  });
  try {
    await connection.start({ signal });
    return connection;
  } catch (error) {
    await connection.stop();
    throw error;
  }
}

/** The login of a check that needs one. */
export function connectionOf({ connection }: ClientState): Connection {
  if (connection === undefined) throw new Error("there is no login");
  return connection;
}

/** Closes everything that checks have opened. */
export async function closeClientState({ client, connection, spare }: ClientState): Promise<void> {
  await Promise.all([client?.close(), connection?.stop(), spare?.stop()]);
}
