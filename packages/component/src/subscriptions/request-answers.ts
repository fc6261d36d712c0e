import { type StanzapackError, toOptionFields, type AnswerFrame, type GrantPosition } from "@stanzapack/wire";
import { formatOptions } from "../forms/subscribe-options.js";
import type { LinkSubscription } from "../links/client-link.js";

type Options = ReturnType<typeof formatOptions>;

/** What has come of one request since it was last told: what is alike is told together. */
export class RequestAnswers {
  private readonly granted = new Map<string, { options: Options; subscriptions: LinkSubscription[] }>();
  private readonly refused = new Map<string, { error: StanzapackError; places: number[] }>();

  constructor(private readonly request: number) {}

  grant(subscription: LinkSubscription): void {
    // Where it begins is told beside what many have in common.
    const { windowMs, selection, delivery } = subscription.granted;
    const options = formatOptions({ windowMs, selection, delivery });
    const key = JSON.stringify([options, subscription.begun !== undefined]);
    const alike = this.granted.get(key);
    if (alike === undefined) this.granted.set(key, { options, subscriptions: [subscription] });
    else alike.subscriptions.push(subscription);
  }

  /** Without places: all that had no answer. */
  refuse(error: StanzapackError, ...places: number[]): void {
    const key = places.length === 0 ? "" : `${error.code}/${error.retryAfterMs ?? ""}`;
    const alike = this.refused.get(key);
    if (alike === undefined) this.refused.set(key, { error, places });
    else for (const place of places) alike.places.push(place);
  }

  /** Nothing is kept. */
  take(): AnswerFrame[] {
    const { request } = this;
    const frames: AnswerFrame[] = [];
    for (const { options, subscriptions } of this.granted.values()) {
      // It may have ended since.
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
