import { StanzapackError } from "@stanzapack/wire";

/**
 * The export of `@stanzapack/dashboard` that the command uses. The published package lacks that private package, so even
 * its types are not imported.
 */
export interface DashboardModule {
  createDashboard(options: {
    readonly host: string;
    readonly port: number;
    readonly token?: string | undefined;
    readonly settings: {
      readonly component: string;
      readonly websocketUrl?: string | undefined;
      readonly boshUrl?: string | undefined;
      readonly account?: { readonly jid: string; readonly password: string } | undefined;
    };
  }): Promise<Dashboard>;
}

export interface Dashboard {
  readonly url: string;
  stop(): Promise<void>;
}

const DASHBOARD_MODULE: string = "@stanzapack/dashboard";

/** Imports the dashboard at run time. Throws `unsupported` outside a clone. */
export async function loadDashboard(): Promise<DashboardModule> {
  try {
    return (await import(DASHBOARD_MODULE)) as DashboardModule;
  } catch (cause) {
    throw new StanzapackError(
      "unsupported",
      "the dashboard is not in the npm package: clone the repository and run `npm run setup`",
      { cause, mend: "Or leave out --dashboard." },
    );
  }
}
