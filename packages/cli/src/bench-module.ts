import { StanzapackError } from "@stanzapack/wire";

/** What `@stanzapack/bench` gives; it is private to the repository, so nothing of it is imported for the types either. */
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
  }): Promise<Readonly<Record<string, string | number | null>>>;
}

export interface Demo {
  readonly nodes: readonly string[];
  stop(): Promise<void>;
}

const BENCH_MODULE: string = "@stanzapack/bench";

/** Found at run time, and only in a clone. `what` is missing elsewhere: "the demo publishers". Throws `unsupported`. */
export async function loadBench(what: string): Promise<BenchModule> {
  try {
    return (await import(BENCH_MODULE)) as BenchModule;
  } catch (cause) {
    throw new StanzapackError(
      "unsupported",
      `${what} are not in the npm package: clone the repository and \`npm run setup\``,
      { cause },
    );
  }
}
