/** What the page's server tells the page (`/settings.json`). */
export interface DashboardSettings {
  /** Domain of the Stanzapack component. */
  readonly component: string;
  /** Address of the server's WebSocket, which is tried first. Without addresses the page asks the JID's domain. */
  readonly websocketUrl?: string | undefined;
  /** Address of the server's BOSH, which is tried second. */
  readonly boshUrl?: string | undefined;
  /** Account with which the page logs in without asking. Whoever may read the page reads its password. */
  readonly account?: { readonly jid: string; readonly password: string } | undefined;
  /** Whether the server has `/comparison.json`. */
  readonly hasComparison?: boolean | undefined;
}
