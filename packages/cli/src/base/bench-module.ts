import { StanzapackError } from "@stanzapack/wire";

/**
 * The exports of `@stanzapack/bench` that the command uses. The published package lacks that private package, so even
 * its types are not imported.
 */
export interface BenchModule {
  startDemoPublishers(options: {
    readonly accounts: readonly { readonly jid: string; readonly password: string }[];
    readonly component: string;
    readonly url: string;
    /** PEM text. */
    readonly ca: string;
  }): Promise<Demo>;
  runFanOut(options: {
    readonly server: "prosody" | "ejabberd";
    readonly subscribers: number;
    readonly updatesPerSecond: number;
    readonly windowMs: number;
    readonly forMs: number;
    readonly signal: AbortSignal;
    readonly onProgress: (text: string) => void;
  }): Promise<BenchRow>;
  runJoiners(options: {
    readonly server: "prosody" | "ejabberd";
    readonly subscribers: number;
    readonly forMs: number;
    readonly signal: AbortSignal;
    readonly onProgress: (text: string) => void;
  }): Promise<BenchRow>;
  runSlowServer(options: {
    readonly server: "prosody" | "ejabberd";
    readonly transport: "tcp" | "websocket" | "bosh";
    readonly forMs: number;
    readonly signal: AbortSignal;
    readonly onProgress: (text: string) => void;
  }): Promise<BenchRow>;
  readonly peers: {
    runBystanders(options: {
      readonly server: "prosody" | "ejabberd";
      readonly subscribers: number;
      readonly forMs: number;
      readonly phases: number;
      readonly offenders?: readonly string[];
      readonly signal: AbortSignal;
      readonly onProgress: (text: string) => void;
    }): Promise<BenchRow>;
    judgeBystanders(row: BenchRow): readonly Verdict[];
    runReturn(options: {
      readonly server: "prosody" | "ejabberd";
      readonly subscribers: number;
      readonly opensPerSecond?: number;
      readonly opensBurst?: number;
      readonly signal: AbortSignal;
      readonly onProgress: (text: string) => void;
    }): Promise<BenchRow>;
    judgeReturn(row: BenchRow): readonly Verdict[];
  };
  readonly component: {
    runComponent(options: {
      readonly subscribers?: readonly number[];
      readonly rates?: readonly number[];
      readonly resources: number;
      readonly envelope: "lean" | "ibb";
      readonly windowMs: number;
      readonly forMs: number;
      readonly signal: AbortSignal;
      readonly onProgress: (text: string) => void;
    }): Promise<readonly BenchRow[]>;
    formatComponentReport(rows: readonly BenchRow[]): string;
  };
  readonly wire: {
    runWire(options: {
      readonly servers?: readonly string[];
      readonly transports?: readonly string[];
      readonly compressions?: readonly string[];
      readonly workloads?: readonly string[];
      readonly windowsMs?: readonly number[];
      readonly forms?: readonly string[];
      readonly forMs?: number;
      readonly quick: boolean;
      readonly signal: AbortSignal;
      readonly onProgress: (text: string) => void;
      readonly onNotice: (text: string) => void;
    }): Promise<{ readonly rows: readonly BenchRow[]; readonly failure: Error | undefined }>;
    formatWireReport(rows: readonly BenchRow[]): string;
  };
  readonly codec: {
    runCodec(options: {
      readonly workloads?: readonly string[];
      readonly batches?: readonly number[];
      readonly quick: boolean;
      readonly signal: AbortSignal;
      readonly onProgress: (text: string) => void;
    }): Promise<readonly BenchRow[]>;
    formatCodecReport(rows: readonly BenchRow[]): string;
  };
  readonly journal: {
    runJournal(options: {
      readonly stores?: readonly string[];
      readonly durabilities?: readonly string[];
      readonly writers?: readonly number[];
      readonly forMs?: number;
      readonly entries?: number;
      readonly folder?: string;
      readonly quick: boolean;
      readonly signal: AbortSignal;
      readonly onProgress: (text: string) => void;
      readonly onNotice: (text: string) => void;
    }): Promise<readonly BenchRow[]>;
    formatJournalReport(rows: readonly BenchRow[]): string;
  };
  readonly catchup: {
    runCatchUp(options: {
      readonly forms?: readonly string[];
      readonly keys?: number;
      readonly modules?: string;
      readonly signal: AbortSignal;
      readonly onProgress: (text: string) => void;
      readonly onNotice: (text: string) => void;
    }): Promise<readonly BenchRow[]>;
    formatCatchUpReport(rows: readonly BenchRow[]): string;
  };
}

export type BenchRow = Readonly<Record<string, string | number | boolean | null>>;

/** One condition that a benchmark checks. `met` is undefined if the condition was not measured. */
export interface Verdict {
  readonly text: string;
  readonly met: boolean | undefined;
}

export interface Demo {
  readonly nodes: readonly string[];
  stop(): Promise<void>;
}

const BENCH_MODULE: string = "@stanzapack/bench";

/**
 * Imports the benchmarks at run time. Throws `unsupported` outside a clone. `what` names in that error what is missing:
 * "the demo publishers".
 */
export async function loadBench(what: string): Promise<BenchModule> {
  try {
    return (await import(BENCH_MODULE)) as BenchModule;
  } catch (cause) {
    throw new StanzapackError(
      "unsupported",
      `${what} are not in the npm package: clone the repository and run \`npm run setup\``,
      { cause },
    );
  }
}
