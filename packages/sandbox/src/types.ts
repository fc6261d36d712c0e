export type ServerKind = "prosody" | "ejabberd";

/** Every program that this package runs. */
export type ProgramKind = ServerKind | "nginx";

export type SettingsKind = "stock" | "recommended";

export interface SandboxOptions {
  readonly server: ServerKind;
  /** XMPP domains of the server. Default `["localhost"]`. Other domains end in `.localhost` or `.test`. */
  readonly domains?: readonly string[] | undefined;
  /**
   * Accounts of each domain: their number (`user0`, `user1`, …), or their local parts (small letters, `0-9 . _ - \\`).
   * Default 2.
   */
  readonly users?: number | readonly string[] | undefined;
  /** Domains of components that the server accepts, below the first domain. Default `streams` and `basic` there. */
  readonly components?: readonly string[] | undefined;
  /** `stock`: as the server ships. `recommended`: with the settings of `docker/`. Default `recommended`. */
  readonly settings?: SettingsKind | undefined;
  /**
   * Offers stream compression (XEP-0138): ejabberd's own, or on Prosody the module of `docker/prosody/`. Default false.
   */
  readonly compress?: boolean | undefined;
  /**
   * Offers SASL2, Bind 2 and FAST with Debian's prosody-modules. Only on Prosody: ejabberd 23.01 has none. Default
   * false.
   */
  readonly sasl2?: boolean | undefined;
  /**
   * TLS from the first byte on the component port, with the server's certificate. Only on ejabberd: Prosody 0.12 has
   * none. Default false.
   */
  readonly componentTls?: boolean | undefined;
  /** Server-to-server connections. Default none: the server opens no port for them. */
  readonly federation?: FederationOptions | undefined;
  /**
   * Longest time until the server is ready, in ms, for each start. Default 60,000, for a busy machine with several
   * servers.
   */
  readonly timeoutMs?: number | undefined;
  /** Aborts the start. After `startSandbox` has resolved, the signal does nothing: use `stop`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * How a server reaches other servers without DNS. They use STARTTLS and dialback (XEP-0220), since neither server
 * trusts the other's authority. The server finds no domain that is not named here.
 */
export interface FederationOptions {
  /** Domains of the other server, and of its components. */
  readonly domains: readonly string[];
  /**
   * Port at which the other server accepts servers: TCP on 127.0.0.1. Its own `ports.s2s`, or the port of a relay to
   * it.
   */
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

/** TCP ports on 127.0.0.1. They stay the same until the sandbox ends. */
export interface SandboxPorts {
  readonly c2s: number;
  readonly component: number;
  /** Plain HTTP, for BOSH and WebSocket. */
  readonly http: number;
  /** Only with `federation`. */
  readonly s2s?: number;
}

/**
 * One private server on 127.0.0.1 with its own ports, certificates and folders.
 *
 * The server ends, and its folder is removed, when the process that started it ends, however that process ends.
 */
export interface Sandbox {
  readonly server: ServerKind;
  /** `127.0.0.1`. */
  readonly host: string;
  /** The first XMPP domain: `localhost` by default. The server's certificate names all domains. */
  readonly domain: string;
  readonly ports: SandboxPorts;
  /** `xmpp://127.0.0.1:PORT`. */
  readonly url: string;
  readonly websocketUrl: string;
  readonly boshUrl: string;
  /** The sandbox's own authority: its PEM file, and the text of that file. */
  readonly caFile: string;
  readonly ca: string;
  readonly components: readonly SandboxComponent[];
  /** Accounts in the order of `users`, then the accounts of `addUser`. */
  readonly accounts: readonly SandboxAccount[];
  /** Process number of the server that runs, or ran last. It changes with each start. */
  readonly pid: number;
  /** Whether the server process runs. False after `halt`, `crash`, `stop`, or if the server ended by itself. */
  readonly running: boolean;
  readonly logFile: string;
  readonly configFile: string;
  /** Stops the server cleanly and starts it again on the same ports with the same accounts. */
  restart(): Promise<void>;
  /** Stops the server cleanly, for tests of outages. `start` starts it again. Idempotent. */
  halt(): Promise<void>;
  /** Starts the server again. Idempotent: does nothing while the server runs. */
  start(): Promise<void>;
  /** Sends SIGKILL, like a power cut that loses nothing of the disk's cache. `start` starts the server again. */
  crash(): Promise<void>;
  /** Adds an account of the first domain to the running server. */
  addUser(localPart: string): Promise<SandboxAccount>;
  /** Ends the server and removes its folder. Idempotent. */
  stop(): Promise<void>;
}
