import { ERRORS, StanzapackError, type ErrorCode } from "@stanzapack/wire";
import { formatForm, NS, parseForm, xml, type Connection, type Element } from "@stanzapack/xmpp";
import type { Authorize, AuthorizeRequest, OfferOptions } from "../options/offer-options.js";
import type { OfferedService } from "./offered-service.js";

/** An `authorize` that takes longer has decided nothing, and is called again when the component asks again, in ms. */
const DECIDE_MS = 300_000;
/** Most calls of `authorize` under way. */
const MAX_DECIDING = 1_000;

/** `authorize` is called so often for one question, where access changes while it decides. */
const MAX_CALLS = 2;

/** Throws `invalid-options` where `access` and `authorize` do not fit. */
export function checkAuthorize({ access, authorize }: OfferOptions): void {
  if (access === "authorize" && authorize === undefined)
    throw new StanzapackError("invalid-options", '`access: "authorize"` needs a function `authorize`');
}

/** A call of `authorize` under way. */
interface Deciding {
  readonly service: OfferedService;
  readonly request: AuthorizeRequest;
  /** The newest of the component about it. */
  question: Question;
  /** Meanwhile somebody changed who may subscribe: what it says does not count. */
  stale: boolean;
}

/** What names a question to the component. */
interface Question {
  readonly subid: string;
  /** Of its message. */
  readonly id: string | undefined;
}

/** Both ends of access model `authorize` (XEP-0060 §8.6): asks the application about subscribers, and hears how others decided. */
export class Approvals {
  /** By node and JID. */
  private readonly deciding = new Map<string, Deciding>();
  /** What was decided without a link, until the component asks again. */
  private readonly unsent = new Map<
    string,
    { readonly service: OfferedService; readonly jid: string; readonly allowed: boolean }
  >();

  constructor(
    private readonly connection: Connection,
    private readonly component: string,
    private readonly services: ReadonlyMap<string, OfferedService>,
    /** Whether there is a link, over which the component asks. */
    private readonly online: () => boolean,
    /** What became of a subscription that awaited approval; `error`: it is none. */
    private readonly onDecided: (node: string, error: StanzapackError | undefined) => void,
  ) {}

  /** Returns the undo. */
  register(): () => void {
    return this.connection.onStanza((stanza) => {
      // The server says who sent it.
      if (!stanza.is("message") || stanza.attrs["from"] !== this.component) return false;
      const subscription = stanza.getChild("event", NS.PUBSUB_EVENT)?.getChild("subscription");
      if (subscription !== undefined) this.decided(subscription, stanza.getChild("reason", NS.STANZAPACK));
      else this.asked(stanza);
      return true;
    });
  }

  private decided({ attrs }: Element, reason: Element | undefined): void {
    const { node, subid, subscription } = attrs as Record<string, string | undefined>;
    if (node === undefined) return;
    // Of a subscription that there was: its link has the ERROR that ended it.
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
      // The same name is offered anew, and that one's `authorize` is asked.
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

  /** Access to this node is to be decided anew; of one bare JID, or of all. */
  forget(node: string, jid?: string): void {
    const isMeant = (service: OfferedService, asker: string): boolean =>
      service.node === node && (jid === undefined || asker === jid);
    for (const [key, { service, jid: asker }] of this.unsent)
      if (isMeant(service, asker)) this.unsent.delete(key);
    for (const deciding of this.deciding.values())
      if (isMeant(deciding.service, deciding.request.jid)) deciding.stale = true;
  }

  /** Where it gets lost the component asks again. */
  private answer({ node, jid }: AuthorizeRequest, { subid, id }: Question, allowed: boolean): void {
    this.connection.sendElement(
      xml(
        "message",
        // XEP-0060 §8.6: the answer reflects the id.
        { to: this.component, type: "headline", id },
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

/** `allowed` undefined: it took too long, or there is no such function any more. `error`: what it threw, which is a no. */
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
    // Nothing but `true` lets anybody in.
    const asked = (async () => (await authorize(request)) === true)();
    return { allowed: await Promise.race([asked, late]), error: undefined };
  } catch (error) {
    return { allowed: false, error };
  } finally {
    clearTimeout(timer);
  }
}
