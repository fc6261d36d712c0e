import { ERRORS, StanzapackError, type ErrorCode } from "@stanzapack/wire";
import { formatForm, NS, parseForm, xml, type Connection, type Element } from "@stanzapack/xmpp";
import type { Authorize, AuthorizeRequest, OfferOptions } from "../options/offer-options.js";
import type { OfferedService } from "./offered-service.js";

/** Longest time of a call of `authorize`, in ms. Then it has decided nothing: the component asks again later. */
const DECIDE_MS = 300_000;
/** Largest number of calls of `authorize` at the same time, and of decisions that wait for a link. */
const MAX_DECIDING = 1_000;

/** Most calls of `authorize` for one question: one more if access changes during the first call. */
const MAX_CALLS = 2;

/** Throws `invalid-options` if `access` is `authorize`, and the function `authorize` is missing. */
export function checkAuthorize({ access, authorize }: OfferOptions): void {
  if (access === "authorize" && authorize === undefined)
    throw new StanzapackError("invalid-options", '`access: "authorize"` needs a function `authorize`');
}

/** A call of `authorize` under way. */
interface Deciding {
  readonly service: OfferedService;
  readonly request: AuthorizeRequest;
  /** The newest question of the component about the request. */
  question: Question;
  /** Whether access changed during the call. Then its result does not count. */
  stale: boolean;
}

/** Names of a question, which the answer repeats. */
interface Question {
  readonly subid: string;
  /** Id of its message. */
  readonly id: string | undefined;
}

/**
 * Both sides of the access model `authorize` (XEP-0060 §8.6). For the services of this client it asks the application
 * about subscribers. For subscriptions of this client it receives the decisions of other publishers.
 */
export class Approvals {
  /** Calls of `authorize`, by node and JID. */
  private readonly deciding = new Map<string, Deciding>();
  /** Decisions made without a link, by node and JID. They answer the next question of the component. */
  private readonly unsent = new Map<
    string,
    { readonly service: OfferedService; readonly jid: string; readonly allowed: boolean }
  >();

  constructor(
    private readonly connection: Connection,
    /** The component, or the node of it that the client uses now. */
    private readonly at: { readonly domain: string },
    private readonly services: ReadonlyMap<string, OfferedService>,
    /** Whether there is a link. The component asks a publisher that has one. */
    private readonly online: () => boolean,
    /** Takes the decision on a pending subscription. `error`: the publisher denies, or the request has ended. */
    private readonly onDecided: (node: string, error: StanzapackError | undefined) => void,
  ) {}

  /** Listens to messages of the component. Returns a function that ends the listening. */
  register(): () => void {
    return this.connection.onStanza((stanza) => {
      // The server guarantees `from`.
      if (!stanza.is("message") || stanza.attrs["from"] !== this.at.domain) return false;
      const subscription = stanza.getChild("event", NS.PUBSUB_EVENT)?.getChild("subscription");
      if (subscription !== undefined) this.decided(subscription, stanza.getChild("reason", NS.STANZAPACK));
      else this.asked(stanza);
      return true;
    });
  }

  private decided({ attrs }: Element, reason: Element | undefined): void {
    const { node, subid, subscription } = attrs as Record<string, string | undefined>;
    if (node === undefined) return;
    // With a `subid` the subscription existed. The ERROR that ended it is on its link.
    if (subscription === "none" && subid !== undefined) return;
    if (subscription === "subscribed") this.onDecided(node, undefined);
    if (subscription !== "none") return;
    const given = reason?.attrs["code"] as string | undefined;
    const code = given !== undefined && Object.hasOwn(ERRORS, given) ? (given as ErrorCode) : "not-allowed";
    const text = reason?.text() ?? `its publisher did not allow \`${node}\``;
    this.onDecided(node, new StanzapackError(code, text, { origin: "peer", scope: "subscription" }));
  }

  private asked(stanza: Element): void {
    const form = parseForm(stanza);
    if (form?.formType !== NS.PUBSUB_SUBSCRIBE_AUTHORIZATION || form.type !== "form") return;
    const field = (name: string): string => form.fields.get(`pubsub#${name}`)?.[0] ?? "";
    const [node, jid, subid] = [field("node"), field("subscriber_jid"), field("subid")];
    const service = this.services.get(node);
    if (service?.options.authorize === undefined) return;
    const key = `${node} ${jid}`;
    const question = { subid, id: stanza.attrs["id"] as string | undefined };
    const decided = this.unsent.get(key);
    this.unsent.delete(key);
    if (decided?.service === service) return this.answer({ node, jid }, question, decided.allowed);
    const underWay = this.deciding.get(key);
    if (underWay?.service === service) {
      underWay.question = question;
      return;
    }
    if (underWay === undefined && this.deciding.size >= MAX_DECIDING) return;
    const deciding = { service, request: { node, jid }, question, stale: false };
    this.deciding.set(key, deciding);
    void this.decide(deciding, key);
  }

  private async decide(deciding: Deciding, key: string): Promise<void> {
    const { service, request } = deciding;
    for (let calls = 1; ; calls++) {
      deciding.stale = false;
      const { allowed, error } = await decisionOf(service.options.authorize, request);
      // A service of the same name was offered meanwhile, and its own `authorize` decides.
      if (this.deciding.get(key) !== deciding) return;
      // An `authorize` that changes access itself is always stale: then the component asks again, later.
      if (deciding.stale && !service.ended && calls < MAX_CALLS) continue;
      this.deciding.delete(key);
      if (allowed === undefined || deciding.stale || service.ended) return;
      const { jid } = request;
      if (this.online()) this.answer(request, deciding.question, allowed);
      else if (this.unsent.size < MAX_DECIDING) this.unsent.set(key, { service, jid, allowed });
      return service.tell("decided", { jid, allowed, error });
    }
  }

  /** Forgets decisions about a node that were not sent, for one bare JID or for all. Running calls do not count. */
  forget(node: string, jid?: string): void {
    const isMeant = (service: OfferedService, asker: string): boolean =>
      service.node === node && (jid === undefined || asker === jid);
    for (const [key, { service, jid: asker }] of this.unsent)
      if (isMeant(service, asker)) this.unsent.delete(key);
    for (const deciding of this.deciding.values())
      if (isMeant(deciding.service, deciding.request.jid)) deciding.stale = true;
  }

  /** Sends a decision. If the message is lost, the component asks again. */
  private answer({ node, jid }: AuthorizeRequest, { subid, id }: Question, allowed: boolean): void {
    this.connection.sendElement(
      xml(
        "message",
        // XEP-0060 §8.6: the answer reflects the id.
        { to: this.at.domain, type: "headline", id },
        formatForm("submit", NS.PUBSUB_SUBSCRIBE_AUTHORIZATION, {
          "pubsub#subid": subid,
          "pubsub#node": node,
          "pubsub#subscriber_jid": jid,
          "pubsub#allow": allowed ? "true" : "false",
        }),
      ),
    );
  }
}

/**
 * Calls `authorize`. `allowed` is undefined if the call took too long, or if there is no function any more. `error` is
 * the exception of the function, which means no.
 */
async function decisionOf(
  authorize: Authorize | undefined,
  request: AuthorizeRequest,
): Promise<{ readonly allowed: boolean | undefined; readonly error: unknown }> {
  if (authorize === undefined) return { allowed: undefined, error: undefined };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), DECIDE_MS);
  });
  try {
    // Only `true` means yes.
    const asked = (async () => (await authorize(request)) === true)();
    return { allowed: await Promise.race([asked, late]), error: undefined };
  } catch (error) {
    return { allowed: false, error };
  } finally {
    clearTimeout(timer);
  }
}
