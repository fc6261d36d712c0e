import {
  fitSelection,
  grantSelection,
  grantWindow,
  isThinning,
  StanzapackError,
  WHOLE,
  type Selection,
  type ServiceKind,
  type Since,
} from "@stanzapack/wire";
import type { AskedOptions } from "../negotiation/negotiation.js";
import type { InactivePolicy } from "../options/connect-options.js";
import type { ChangeOptions, SubscribeOptions } from "../options/subscribe-options.js";
import { isSameSelection, select } from "./asked-selection.js";

/**
 * Window and selection of one subscription. *Asked* is what the program asks for. *Wanted* is what must be in force
 * now: an inactive client wants less. *Granted* is what the component does.
 */
export class Terms {
  private asked: { readonly windowMs: number; readonly selection: Selection };
  private granted = { windowMs: 0, selection: WHOLE };
  /** Policy of a client that is inactive now. */
  private inactive: InactivePolicy | undefined;
  /** Kind of the service. Undefined until the component has bound it. */
  private serviceKind: ServiceKind | undefined;
  /** Where the program wants a log to begin. */
  readonly since: Since | undefined;
  /** Name under which the component keeps how far the program has come in a log or a map. */
  readonly cursor: string | undefined;

  /** Throws `invalid-options`. */
  constructor(
    private readonly node: string,
    options: SubscribeOptions<unknown>,
  ) {
    const { copy, manualCursor, cursor } = options;
    if (cursor === undefined && (copy !== undefined || manualCursor === true))
      throw new StanzapackError(
        "invalid-options",
        `subscribe: \`${copy === undefined ? "manualCursor" : "copy"}\` needs a \`cursor\``,
      );
    this.asked = { windowMs: options.windowMs ?? 0, selection: select(WHOLE, options) };
    this.since = options.since;
    this.cursor = options.cursor;
  }

  get kind(): ServiceKind | undefined {
    return this.serviceKind;
  }
  get askedWindowMs(): number {
    return this.asked.windowMs;
  }
  get askedSelection(): Selection {
    return this.asked.selection;
  }
  get grantedWindowMs(): number {
    return this.granted.windowMs;
  }
  get grantedSelection(): Selection {
    return this.granted.selection;
  }

  /** Window that must be in force now, in ms. */
  get wantedWindowMs(): number {
    return this.widened(this.asked.windowMs);
  }
  /** Whether no data may come now. */
  get paused(): boolean {
    return this.inactive === "pause";
  }
  /** Whether the component grants a wider window because the client is inactive. */
  get slowed(): boolean {
    const { wantedWindowMs } = this;
    return wantedWindowMs > this.asked.windowMs && this.granted.windowMs >= wantedWindowMs;
  }
  /** Whether the granted selection leaves updates out on purpose. */
  get thins(): boolean {
    return isThinning(this.granted.selection);
  }
  /** Whether the component grants what is wanted now, pauses aside. */
  get inForce(): boolean {
    const { asked, granted } = this;
    if (grantWindow(this.wantedWindowMs) !== granted.windowMs) return false;
    // A token restores what was granted, and a change may have been under way.
    return isSameSelection(
      grantSelection(asked.selection, granted.windowMs, this.serviceKind),
      granted.selection,
    );
  }

  /** Takes a window, in ms. Returns the wider of it and the window of an inactive client, in ms. */
  widened(windowMs: number): number {
    return typeof this.inactive === "object" ? Math.max(windowMs, this.inactive.windowMs) : windowMs;
  }

  /**
   * Throws `invalid-options` for options that another subscription of the node cannot share. Options that are left out
   * stay as they are. `began`: it is too late for a beginning.
   */
  assertSame(options: SubscribeOptions<unknown>, began: boolean): void {
    if (this.cursor !== undefined || options.cursor !== undefined)
      throw new StanzapackError(
        "invalid-options",
        `this client already subscribes to \`${this.node}\`, and a subscription with a \`cursor\` cannot be shared`,
        { mend: "Stop the other subscription first, or use another client." },
      );
    const { windowMs: askedMs, selection: asked } = this.asked;
    const { windowMs = askedMs, since } = options;
    const isOther = (name: string): StanzapackError =>
      new StanzapackError(
        "invalid-options",
        `this client already subscribes to \`${this.node}\` with another \`${name}\`: leave it out, or \`change\` it for all`,
      );
    if (grantWindow(windowMs) !== grantWindow(askedMs)) throw isOther("windowMs");
    const selection = select(asked, options);
    for (const name of ["samples", "maxRate", "fields", "deadband", "heartbeatMs", "keys", "prefix"] as const)
      if (JSON.stringify(selection[name]) !== JSON.stringify(asked[name])) throw isOther(name);
    // Updates from before this moment do not come again.
    if (since !== undefined && (began || JSON.stringify(since) !== JSON.stringify(this.since)))
      throw isOther("since");
  }

  /**
   * Returns what to ask for after a change. `byPattern`: options that a log refuses are left out for a log. Throws
   * `invalid-options`.
   */
  changed({ windowMs = this.asked.windowMs, ...options }: ChangeOptions, byPattern: boolean): AskedOptions {
    const { serviceKind: kind, asked } = this;
    if (byPattern && kind !== undefined)
      return { windowMs, selection: fitSelection(select(asked.selection, options), kind) };
    return { windowMs, selection: select(asked.selection, options, kind) };
  }

  /** The program asks for this from now on. */
  ask({ windowMs, selection }: AskedOptions): void {
    this.asked = { windowMs, selection };
  }

  /** The component does this from now on. */
  grant({ windowMs, selection }: AskedOptions): void {
    this.granted = { windowMs, selection };
  }

  /** The component has bound a service of this kind. */
  bound(kind: ServiceKind): void {
    this.serviceKind = kind;
    // A pattern may have brought a service that cannot apply all of the selection.
    const selection = fitSelection(this.asked.selection, kind);
    if (!isSameSelection(selection, this.asked.selection)) this.ask({ ...this.asked, selection });
  }

  /** The client is inactive under this policy, or active again. */
  setInactive(policy: InactivePolicy | undefined): void {
    this.inactive = policy;
  }
}
