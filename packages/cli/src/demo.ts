import type { Sandbox } from "@stanzapack/sandbox";
import { StanzapackError } from "@stanzapack/wire";
import { streamsOf } from "./sandbox-files.js";

export interface Demo {
  readonly nodes: readonly string[];
  stop(): Promise<void>;
}

/** What `@stanzapack/bench` gives; it is private to the repository, so nothing of it is imported for the types either. */
interface DemoModule {
  startDemoPublishers(options: {
    readonly accounts: readonly { readonly jid: string; readonly password: string }[];
    readonly component: string;
    readonly url: string;
    /** PEM text. */
    readonly ca: string;
  }): Promise<Demo>;
}

const DEMO_MODULE: string = "@stanzapack/bench";

/** Publishes the demo services from the last account, so that the first ones are free. */
export async function startDemo(sandbox: Sandbox): Promise<Demo> {
  const { startDemoPublishers } = await loadDemo();
  return startDemoPublishers({
    accounts: sandbox.accounts.slice(-1),
    component: streamsOf(sandbox).domain,
    url: sandbox.url,
    ca: sandbox.ca,
  });
}

async function loadDemo(): Promise<DemoModule> {
  try {
    return (await import(DEMO_MODULE)) as DemoModule;
  } catch (cause) {
    throw new StanzapackError(
      "unsupported",
      "the demo publishers are not in the npm package: clone the repository, `npm run setup`, `npx stanzapack sandbox --demo`",
      { cause },
    );
  }
}
