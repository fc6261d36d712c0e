/**
 * The sender. The service belongs to `alice@localhost`. `bob@localhost` is on the whitelist of services that have one.
 */
export const WHO = {
  publisher: "the session that offers the service",
  "owner elsewhere": "another session of the publisher's account",
  member: "an account on the whitelist",
  "without link": "another session of the member's account, without an open link",
  stranger: "an account of the same domain that is on no list",
  lookalike: "an account whose resource is the owner's JID: `mallory@localhost/alice@localhost`",
  namesake: "the owner's local part at another domain: `alice@basic.localhost/r`",
  domain: "another domain itself, as another component sends: `basic.localhost`",
} as const;

export type Who = keyof typeof WHO;

type Row = Readonly<Record<Who, string>>;

const EVERYBODY = Object.keys(WHO) as readonly Who[];
const NO_LINK = { "without link": "unexpected-request", domain: "unexpected-request" };

function row(others: string, some: Partial<Row> = {}): Row {
  return { ...(Object.fromEntries(EVERYBODY.map((who) => [who, others])) as Row), ...some };
}

/** A request that needs a link of the sender's own. */
const linked = (others: string, some: Partial<Row> = {}): Row => row(others, { ...NO_LINK, ...some });
/** XEP-0060 §6.2.3.3, §6.3.4.1: every session of the subscribed account may do this. */
const MEMBER = { member: "result", "without link": "result" };
const OWNER = { publisher: "result", "owner elsewhere": "result" };
/** A request by frame. A sender without a link has sent it into no link. */
const framed = (others: string, some: Partial<Row> = {}): Row =>
  row(others, { "without link": "item-not-found", domain: "item-not-found", ...some });
const ownerAlone = row("forbidden", OWNER);

/**
 * Each request, and its answer for each sender: `result`, or the stanza error's condition and XEP-0060's condition. For
 * frames: `taken`, or how the link ends. For requests by frame: `granted`, `done`, or the reason of the refusal. A new
 * access model or way of delivery is a new row; the test has a request of the same name for each row.
 */
export const AUTHORITY = {
  "open a link": row("result", { domain: "bad-request, invalid-jid" }),
  "offer a node of the owner's": row("forbidden", OWNER),
  "offer the node that is offered": row("forbidden", {
    publisher: "result",
    "owner elsewhere": "conflict",
  }),
  "take over the node that is offered": row("forbidden", OWNER),
  "offer a node whose owner is spelt `ALICE@Localhost`": row("forbidden", OWNER),
  "offer a node of one's own": linked("result"),
  "configure the node": ownerAlone,
  "read its configuration": ownerAlone,
  "read its affiliations": ownerAlone,
  // XEP-0060 §8.9.2.4: the owner stays the owner.
  "put oneself on its whitelist": row("forbidden", {
    ...{ publisher: "not-acceptable", "owner elsewhere": "not-acceptable" },
  }),
  "delete a node of the owner's": ownerAlone,
  "publish by iq": row("feature-not-implemented, unsupported"),
  "read items by iq": row("feature-not-implemented, unsupported"),
  "find an open node": row("result"),
  "find a node with a whitelist": row("item-not-found", {
    ...OWNER,
    member: "result",
    "without link": "result",
  }),
  "see it listed": row("no", {
    publisher: "yes",
    "owner elsewhere": "yes",
    member: "yes",
    "without link": "yes",
  }),
  "subscribe to an open node": linked("result"),
  "subscribe to a node with a whitelist": linked("not-allowed, closed-node", { ...OWNER, member: "result" }),
  "subscribe to an open node spelt `ALICE@Localhost`": linked("result"),
  "subscribe the member's session": row("bad-request, invalid-jid", { member: "result" }),
  "subscribe one's bare JID": row("bad-request, invalid-jid", { domain: "unexpected-request" }),
  "subscribe with delivery `event`": row("feature-not-implemented"),
  "subscribe with delivery `body`": row("feature-not-implemented"),
  "read the member's options by JID and subid": row("forbidden", MEMBER),
  "read the member's options by subid, as one's own": row("unexpected-request, not-subscribed", {
    member: "result",
  }),
  "change the member's options by JID and subid": row("forbidden", MEMBER),
  "change the member's options by subid, with a subscription of one's own": row(
    "not-acceptable, invalid-subid",
    {
      "without link": "unexpected-request, not-subscribed",
      domain: "unexpected-request, not-subscribed",
      member: "result",
    },
  ),
  "unsubscribe the member by JID and subid": row("forbidden", MEMBER),
  "unsubscribe the member by subid, as one's own": row("unexpected-request, not-subscribed", {
    member: "result",
  }),
  "see the member's subscription listed": row("no", { member: "yes", "without link": "yes" }),
  "see the member's cursor listed": row("no", { member: "yes", "without link": "yes" }),
  "delete the member's cursor": row("item-not-found, no-such-cursor", MEMBER),
  "publish by the publisher's alias, on one's own link": framed("BYE unknown-alias", { publisher: "taken" }),
  "publish by the alias of one's subscription": framed("BYE unknown-alias"),
  "SUBSCRIBE to an open node": framed("granted"),
  "SUBSCRIBE to a node with a whitelist": framed("not-allowed", {
    ...{ publisher: "granted", "owner elsewhere": "granted", member: "granted" },
  }),
  "SUBSCRIBE to all that the owner offers": framed("granted open", {
    ...{ publisher: "granted open, closed", "owner elsewhere": "granted open, closed" },
    member: "granted open, closed",
  }),
  "CHANGE the member's subscription by its alias": framed("unknown-alias", { member: "granted" }),
  "stop the member's subscription by its alias": framed("unknown-alias", { member: "done" }),
  "call by the alias of one's subscription": framed("passed on"),
  "call by the member's alias, on one's own link": framed("BYE unknown-alias", { member: "passed on" }),
  "answer a call that the publisher received, on one's own link": framed("BYE protocol", {
    publisher: "passed on",
  }),
  "ask by REPAIR about one's subscription to a map": framed("answered"),
  "ask by REPAIR about the member's subscription, on one's own link": framed("BYE unknown-alias", {
    member: "answered",
  }),
  "send DIGEST or entries by REPAIR, as the component does": framed("BYE protocol"),
  "RESUME by the member's token": framed("not-resumable", { member: "granted" }),
  "publish by the publisher's sid": row("item-not-found", { publisher: "taken" }),
  "close the publisher's link by its sid": row("item-not-found", { publisher: "result" }),
  "ask whether the publisher's link is there": row("item-not-found", { publisher: "result" }),
} as const satisfies Record<string, Row>;

export type What = keyof typeof AUTHORITY;

/** The table as in docs/reference/authority.md. */
export function formatAuthority(): string {
  return [
    ...EVERYBODY.map((who) => `- **${who}**: ${WHO[who]}`),
    "",
    `| | ${EVERYBODY.join(" | ")} |`,
    `| --- |${" --- |".repeat(EVERYBODY.length)}`,
    ...Object.entries(AUTHORITY).map(
      ([what, answers]) => `| ${what} | ${EVERYBODY.map((who) => answers[who]).join(" | ")} |`,
    ),
  ].join("\n");
}
