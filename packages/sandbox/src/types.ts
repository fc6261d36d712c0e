export type ServerKind = "prosody" | "ejabberd";

/** Everything that this package runs. */
export type ProgramKind = ServerKind | "nginx";

export type SettingsKind = "stock" | "recommended";

export interface SandboxOptions {
  readonly server: ServerKind;
  /** The XMPP domains that it serves. Default `["localhost"]`; others end in `.localhost` or `.test`. */
  readonly domains?: readonly string[];
  /** A count (accounts `user0`, `user1`, …) or the local parts wanted (small letters, `0-9 . _ - \\`); in each domain. Default 2. */
  readonly users?: number | readonly string[];
  /** Domains of components to allow, below the first domain. Default `streams` and `basic` there. */
  readonly components?: readonly string[];
  /** `stock`: as the server ships; `recommended`: with the settings of `docker/`. Default `recommended`. */
  readonly settings?: SettingsKind;
  /** Offers stream compression (XEP-0138): ejabberd's own, on Prosody the module of `docker/prosody/`. Default false. */
  readonly compress?: boolean;
  /** Offers SASL2, Bind 2 and FAST, by Debian's prosody-modules: on Prosody only, ejabberd 23.01 has none. Default false. */
  readonly sasl2?: boolean;
  /** TLS from the first byte on the component port, with the server's certificate: ejabberd only, Prosody 0.12 has none. Default false. */
  readonly componentTls?: boolean;
  /** Server-to-server. Default none: no port for it is open. */
  readonly federation?: FederationOptions;
  /** Deadline for being ready, in ms, for each start. Default 60,000: a busy machine with several at once. */
  readonly timeoutMs?: number;
  /** Gives up starting. Once `startSandbox` has resolved it does nothing: use `stop`. */
  readonly signal?: AbortSignal;
}

/**
 * How a server reaches others, without DNS: STARTTLS, and each asks the other back (XEP-0220), since neither knows the other's authority.
 * What is not named here it does not find.
 */
export interface FederationOptions {
  /** The other server's domains, those of its components too. */
  readonly domains: readonly string[];
  /** Where it takes servers: a TCP port on 127.0.0.1, its own `ports.s2s` or that of a relay in front of it. */
  readonly port: number;
}

export interface SandboxAccount {
  readonly jid: string;
  readonly password: string;
}

export interface SandboxComponent {
  readonly domain: string;
  readonly secret: string;
}

/** TCP ports on 127.0.0.1; the same for the sandbox's whole life. */
export interface SandboxPorts {
  readonly c2s: number;
  readonly component: number;
  /** Plain HTTP: BOSH and WebSocket. */
  readonly http: number;
  /** With `federation` only. */
  readonly s2s?: number;
}

/**
 * One private server on 127.0.0.1 with ports, certificates and folders of its own.
 *
 * It ends, and its folder goes, with the process that started it, however that process ends.
 */
export interface Sandbox {
  readonly server: ServerKind;
  /** `127.0.0.1` */
  readonly host: string;
  /** `localhost`: the first XMPP domain. The server's certificate names them all. */
  readonly domain: string;
  readonly ports: SandboxPorts;
  /** `xmpp://127.0.0.1:PORT` */
  readonly url: string;
  readonly websocketUrl: string;
  readonly boshUrl: string;
  /** PEM file, and its text, of the sandbox's own authority. */
  readonly caFile: string;
  readonly ca: string;
  readonly components: readonly SandboxComponent[];
  /** In the order asked for, then those of `addUser`. */
  readonly accounts: readonly SandboxAccount[];
  /** Of the server process now running, or that ran last; changes with `restart`. */
  readonly pid: number;
  /** Whether the server process is there: false after `halt`, `crash`, `stop` or a death of its own. */
  readonly running: boolean;
  readonly logFile: string;
  readonly configFile: string;
  /** Stops the server cleanly and starts it again on the same ports with the same accounts. */
  restart(): Promise<void>;
  /** Only the stop of a restart: for tests of outages. `start` brings it back. Idempotent. */
  halt(): Promise<void>;
  /** Idempotent: does nothing while the server runs. */
  start(): Promise<void>;
  /** SIGKILL: what a power cut does, short of the disk's cache. `start` brings it back. */
  crash(): Promise<void>;
  /** Adds an account of the first domain to the running server. */
  addUser(localPart: string): Promise<SandboxAccount>;
  /** Ends the server and removes everything. Idempotent. */
  stop(): Promise<void>;
}
