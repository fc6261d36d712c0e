import type { StanzapackError } from "@stanzapack/wire";
import { toStanzapackError } from "../base/errors.js";
import type { Link } from "../link/link.js";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";
import { resumeMany, type Resumable } from "./bulk.js";
import type { FrameRouter } from "./frame-router.js";

/** Refused subscriptions, with the reason. Undefined: the link restores nothing by token. */
export type Refusals = ReadonlyMap<SharedSubscription, StanzapackError> | undefined;

/** Restores the subscriptions of the last link by its token, in a RESUME right behind HELLO. */
export class Resumption {
  /** Token and aliases of the last link. */
  private resumable: (Resumable & { readonly component: string }) | undefined;
  /** Settles with the answer to the RESUME of this link. */
  private asked: Promise<Refusals> = Promise.resolve(undefined);

  constructor(
    /** Whether a subscription is still to be restored by token. */
    private readonly isWanted: (subscription: SharedSubscription) => boolean,
  ) {}

  /** Sends RESUME on a link to this node, which has sent HELLO. */
  begin(router: FrameRouter, node: string): void {
    // A token is of one node of the component.
    if (this.resumable?.component !== node) this.resumable = undefined;
    this.asked = this.resume(router);
  }

  /** Resolves to the refused subscriptions of this link. */
  get refused(): Promise<Refusals> {
    return this.asked;
  }

  /** Remembers the token and the subscriptions of a link that has ended, open or not. */
  ended(link: Link, router: FrameRouter): void {
    const aliases = router.subscriptions;
    const token = link.session.peerHello?.token ?? null;
    // A link that ends while it is opened may have had its subscriptions already.
    if (token !== null && aliases.size > 0) this.resumable = { token, aliases, component: link.peer };
  }

  private async resume(router: FrameRouter): Promise<Refusals> {
    const { resumable } = this;
    this.resumable = undefined;
    const wanted = [...(resumable?.aliases.keys() ?? [])].filter(this.isWanted);
    if (resumable === undefined || wanted.length === 0) return undefined;
    try {
      return await resumeMany(router, resumable, wanted);
    } catch (error) {
      // Everything can be asked for one by one. Without an answer the next link may try the same token.
      if (toStanzapackError(error, "resuming").code !== "not-resumable") this.resumable ??= resumable;
      return undefined;
    }
  }
}
