export type ServerKind = "prosody" | "ejabberd";

export interface SandboxOptions {
  readonly server: ServerKind;
  /** A count (accounts `user0`, `user1`, …) or the local parts wanted. Default 2. */
  readonly users?: number | readonly string[];
  /** Domains of components to allow, below `localhost`. Default `["streams.localhost", "basic.localhost"]`. */
  readonly components?: readonly string[];
  /** `stock`: as the server ships; `recommended`: with the settings of `docker/`. Default `recommended`. */
  readonly settings?: "stock" | "recommended";
  /** Deadline for being ready, in ms. Default 60,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface SandboxAccount {
  readonly jid: string;
  readonly password: string;
}

/** One private server on 127.0.0.1 with ports, certificates and folders of its own. */
export interface Sandbox {
  readonly server: ServerKind;
  readonly host: string; // "127.0.0.1"
  readonly domain: string; // "localhost"
  readonly ports: { readonly c2s: number; readonly component: number; readonly http: number };
  /** `xmpp://127.0.0.1:PORT` */
  readonly url: string;
  readonly websocketUrl: string;
  readonly boshUrl: string;
  /** PEM file, and its text, of the sandbox's own authority. */
  readonly caFile: string;
  readonly ca: string;
  readonly components: readonly { readonly domain: string; readonly secret: string }[];
  readonly accounts: readonly SandboxAccount[];
  /** Of the server process now running; changes with `restart`. */
  readonly pid: number;
  readonly logFile: string;
  /** Stops the server cleanly and starts it again on the same ports with the same accounts. */
  restart(): Promise<void>;
  /** Only the stop of a restart: for tests of outages. `start` brings it back. */
  halt(): Promise<void>;
  start(): Promise<void>;
  /** Adds an account to the running server. */
  addUser(localPart: string): Promise<SandboxAccount>;
  /** Ends the server and removes everything. Idempotent. */
  stop(): Promise<void>;
}
