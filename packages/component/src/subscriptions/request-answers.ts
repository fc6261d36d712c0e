import { type StanzapackError, toOptionFields, type AnswerFrame, type GrantPosition } from "@stanzapack/wire";
import { formatOptions } from "../forms/subscribe-options.js";
import type { LinkSubscription } from "../links/client-link.js";

type Options = ReturnType<typeof formatOptions>;

/** The outcomes of one request since the last answer. Equal outcomes share a frame. */
export class RequestAnswers {
  private readonly granted = new Map<string, { options: Options; subscriptions: LinkSubscription[] }>();
  private readonly refused = new Map<string, { error: StanzapackError; places: number[] }>();

  constructor(
    /** Full JID of the link that asked. */
    readonly jid: string,
    private readonly request: number,
  ) {}

  grant(subscription: LinkSubscription): void {
    // A subscription's position stands apart from the options that many subscriptions share.
    const { windowMs, selection, delivery } = subscription.granted;
    const options = formatOptions({ windowMs, selection, delivery });
    const key = JSON.stringify([options, subscription.begun !== undefined]);
    const alike = this.granted.get(key);
    if (alike === undefined) this.granted.set(key, { options, subscriptions: [subscription] });
    else alike.subscriptions.push(subscription);
  }

  /** Adds a refusal of these places. Without places it is for all that had no answer. */
  refuse(error: StanzapackError, ...places: number[]): void {
    const key = places.length === 0 ? "" : `${error.code}/${error.retryAfterMs ?? ""}`;
    const alike = this.refused.get(key);
    if (alike === undefined) this.refused.set(key, { error, places });
    else for (const place of places) alike.places.push(place);
  }

  /** Returns the answers, and forgets them. */
  take(): AnswerFrame[] {
    const { request } = this;
    const frames: AnswerFrame[] = [];
    for (const { options, subscriptions } of this.granted.values()) {
      // A subscription may have ended since.
      const live = subscriptions.filter((it) => it.outlet.link.subscriptions.get(it.outlet.alias) === it);
      const positions = live.map(positionOf);
      frames.push({
        type: "grant",
        request,
        aliases: live.map(({ outlet }) => outlet.alias),
        options: toOptionFields(options),
        positions: positions.includes(undefined) ? null : (positions as GrantPosition[]),
      });
    }
    for (const { error, places: targets } of this.refused.values()) {
      const { code, text, retryAfterMs = null } = error;
      frames.push({ type: "refused", request, targets, code, text, retryAfterMs });
    }
    this.granted.clear();
    this.refused.clear();
    return frames;
  }
}

function positionOf({ begun, recovered }: LinkSubscription): GrantPosition | undefined {
  return begun === undefined ? undefined : { ...begun, recovered: recovered ?? null };
}
