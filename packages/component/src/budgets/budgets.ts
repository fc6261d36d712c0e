import { monotonicNow, ownText } from "@stanzapack/xmpp";
import { StanzapackError } from "@stanzapack/wire";
import type { ComponentLimits } from "../config/config.js";
import type { ComponentStats } from "../base/stats.js";
import { MAX_WAIT_MS, someWaitMs } from "./admission.js";
import type { OpenAdmission } from "./open-admission.js";
import { Account, createAccountRules, type AccountRules, type Counted } from "./account.js";

/** When those come again who find a count full, in ms. */
const RETRY_AFTER_MS = 60_000;
/** Processor time that one request of a budget pays for, in ms. 0.2: as much as one takes that changes a subscription. */
const REQUEST_MS = 0.2;
/** Accounts looked at in a sweep, or for one to make room. */
const SWEEP_COUNT = 5_000;
const MAKE_ROOM_COUNT = 64;

/**
 * What full JIDs, bare JIDs and other domains use, each within its budget. As many accounts as three a link at most; idle ones are
 * forgotten.
 */
export class Budgets {
  /** An account was cut off. */
  onCut: ((account: Account, error: StanzapackError) => void) | undefined;
  private readonly accounts = new Map<string, Account>();
  private cursor = this.accounts.values();
  private readonly rules: AccountRules;
  private readonly clock: () => number;

  constructor(
    private readonly limits: ComponentLimits,
    private readonly stats: ComponentStats,
    /** Whether a domain is the operator's own: it has no budget, its accounts have. */
    readonly isOurs: (domain: string) => boolean = () => true,
    /** In ms, never stepping back. */
    clock: () => number = monotonicNow,
    private readonly chance: () => number = Math.random,
  ) {
    this.rules = createAccountRules(limits);
    // From a beginning of its own: small numbers have more places behind the point.
    const startedAt = clock();
    this.clock = () => clock() - startedAt;
  }

  /** Of a prepared JID: its own, its bare JID's and, unless it is ours, its domain's. Throws `busy` when there are too many. */
  of(jid: string): Account[] {
    const bare = bareOf(jid);
    const domain = domainOf(bare);
    const remote = !this.isOurs(domain);
    // Literals, as long as they are: every link keeps its own.
    const accounts =
      bare === jid
        ? [this.account(bare, "bare", remote)]
        : [this.account(jid, "full", remote), this.account(bare, "bare", remote)];
    return remote ? [...accounts, this.account(`@${domain}`, "domain", remote)] : accounts;
  }

  private account(name: string, kind: Account["kind"], remote: boolean): Account {
    let account = this.accounts.get(name);
    if (account === undefined) {
      if (this.accounts.size >= this.limits.maxLinks * 3 && !this.makeRoom())
        throw new StanzapackError("busy", `${this.accounts.size} JIDs are at work, no more are allowed`, {
          retryAfterMs: RETRY_AFTER_MS,
        });
      account = new Account(ownText(name), kind, remote, this.rules);
      account.usedAt = this.clock();
      this.accounts.set(account.name, account);
      this.stats.accounts = this.accounts.size;
    }
    return account;
  }

  /** One more request of this JID. Throws `busy`, with when to come again. */
  request(jid: string): void {
    const now = this.clock();
    const accounts = this.of(jid);
    for (const account of accounts) this.checkCut(account, now);
    for (const account of accounts) {
      const retryAfterMs = account.request(now, this.chance());
      if (retryAfterMs === undefined) continue;
      this.stats.throttled++;
      const text = `too many requests of ${nameOf(account)}`;
      if (account.wasRefused(now) && account.kind !== "domain") throw this.cut(account, text);
      throw new StanzapackError("busy", `${text}: come again in ${retryAfterMs} ms`, { retryAfterMs });
    }
  }

  /**
   * One more link that this JID opens, of those that `all` admits. Throws `busy`, with when to come again: no account, and no other domain, has
   * all opens. That moment is kept free in each share, so that one who comes then is admitted.
   */
  open(jid: string, all: OpenAdmission): void {
    const now = this.clock();
    const shares: { readonly admission: OpenAdmission; readonly who: string }[] = [];
    for (const account of this.of(jid)) {
      const admission = account.openShare(now);
      if (admission !== undefined) shares.push({ admission, who: `${nameOf(account)} opens too many links` });
    }
    shares.push({ admission: all, who: "too many links are opened" });
    const full = shares.filter(({ admission }) => !admission.hasRoom(now, jid));
    const [first] = full;
    if (first === undefined) {
      for (const { admission } of shares) admission.take(jid);
      return;
    }
    // Who comes too early keeps its moment: whoever asks and asks must not move everybody else's.
    let retryAfterMs = all.expectedIn(jid, now);
    if (retryAfterMs === undefined) {
      const at = momentOf(shares, now);
      const waitMs = Math.ceil(at - now);
      retryAfterMs = waitMs <= MAX_WAIT_MS ? waitMs : someWaitMs(this.chance());
      for (const { admission } of shares) admission.expect(jid, at, now);
    }
    this.stats.throttled++;
    throw new StanzapackError("busy", `${first.who} at once: come again in ${retryAfterMs} ms`, {
      retryAfterMs,
    });
  }

  /** A request of this JID took so much processor time, in ms; what one may take is paid already. */
  chargeWork(jid: string, ms: number): void {
    this.charge(jid, ms / REQUEST_MS - 1);
  }

  /** A request of this JID cost as much as so many more. */
  charge(jid: string, requests: number): void {
    if (requests <= 0) return;
    const now = this.clock();
    // Those that were asked already; no others are made for this.
    for (const name of namesOf(jid)) this.accounts.get(name)?.charge(requests, now);
  }

  private checkCut(account: Account, now: number): void {
    if (now >= account.cutUntil) return;
    const retryAfterMs = Math.ceil(account.cutUntil - now);
    throw new StanzapackError("busy", `${nameOf(account)} is cut off for another ${retryAfterMs} ms`, {
      retryAfterMs,
    });
  }

  /** Ends what it has, and refuses it everything for a while. */
  private cut(account: Account, what: string): StanzapackError {
    const retryAfterMs = this.limits.cutOffSeconds * 1_000;
    account.cutUntil = this.clock() + retryAfterMs;
    this.stats.cutOffs++;
    const error = new StanzapackError("busy", `${what}, for long or by far: cut off for ${retryAfterMs} ms`, {
      origin: "peer",
      retryAfterMs,
    });
    this.onCut?.(account, error);
    return error;
  }

  /** Counts a stanza of what was published. Gives the standing of the worst: seconds left, or owed; cuts off who owes too much. */
  spend(accounts: readonly Account[], updates: number, bytes: number): number {
    const now = this.clock();
    let worst = Infinity;
    for (const account of accounts) {
      const standing = account.spend(updates, bytes, now);
      if (standing < worst) worst = standing;
      // A domain is only slowed: it is many people.
      if (standing <= -this.limits.cutOffDebtSeconds && account.kind !== "domain" && now >= account.cutUntil)
        this.cut(account, `${nameOf(account)} publishes too much`);
    }
    return worst;
  }

  standing(accounts: readonly Account[]): number {
    const now = this.clock();
    return Math.min(...accounts.map((account) => account.standing(now)));
  }

  /** Throws `limit-exceeded`, of links and what is pending `busy`, when this JID may have no more. */
  checkRoom(jid: string, what: Counted): void {
    const full = this.of(jid).find((account) => account[what] >= account.most(what));
    if (full === undefined) return;
    const verb = what === "services" ? "offers" : "has";
    const text = `${nameOf(full)} ${verb} ${full[what]} ${NAMES[what]}, no more are allowed`;
    this.stats.overQuota++;
    if (what === "links" || what === "pending")
      throw new StanzapackError("busy", text, { scope: "subscription", retryAfterMs: RETRY_AFTER_MS });
    throw new StanzapackError("limit-exceeded", text, { scope: "subscription" });
  }

  /** `by`: 1, or −1 for one that is gone. */
  count(jid: string, what: Counted, by: 1 | -1): void {
    for (const account of this.of(jid)) account[what] += by;
  }

  /** Once a second: forgets who is idle. */
  sweep(): void {
    const now = this.clock();
    for (let i = Math.min(SWEEP_COUNT, this.accounts.size); i > 0 && this.accounts.size > 0; i--) {
      const account = this.next();
      if (account.idle(now)) this.forget(account);
      else account.shed(now);
    }
  }

  private makeRoom(): boolean {
    const now = this.clock();
    for (let i = 0; i < MAKE_ROOM_COUNT; i++) {
      const account = this.next();
      if (!account.free(now)) continue;
      this.forget(account);
      return true;
    }
    return false;
  }

  private forget(account: Account): void {
    this.accounts.delete(account.name);
    this.stats.accounts = this.accounts.size;
  }

  /** Round and round; there is one at least. */
  private next(): Account {
    let next = this.cursor.next();
    if (next.done === true) next = (this.cursor = this.accounts.values()).next();
    return next.value as Account;
  }
}

/** Of the accounts that a JID may have. */
function namesOf(jid: string): string[] {
  const bare = bareOf(jid);
  return [...(bare === jid ? [] : [jid]), bare, `@${domainOf(bare)}`];
}

function bareOf(jid: string): string {
  const slash = jid.indexOf("/");
  return slash < 0 ? jid : jid.slice(0, slash);
}

function domainOf(bareJid: string): string {
  return bareJid.slice(bareJid.indexOf("@") + 1);
}

const NAMES: Record<Counted, string> = {
  links: "links",
  subscriptions: "subscriptions",
  lanes: "lanes",
  pending: "requests that await approval",
  services: "services",
};

function nameOf({ name, kind }: Account): string {
  return kind === "domain" ? name.slice(1) : name;
}

/** The first moment that is free in each share, in ms; beyond the longest wait any. */
function momentOf(shares: readonly { readonly admission: OpenAdmission }[], now: number): number {
  for (let at = now; ;) {
    const before = at;
    for (const { admission } of shares) at = admission.freeFrom(at, now);
    if (at === before || at - now > MAX_WAIT_MS) return at;
  }
}
