import { monotonicNow, ownText } from "@stanzapack/xmpp";
import { StanzapackError } from "@stanzapack/wire";
import type { ComponentLimits } from "../config/config.js";
import type { ComponentStats } from "../base/stats.js";
import { MAX_WAIT_MS, someWaitMs } from "./admission.js";
import type { OpenAdmission } from "./open-admission.js";
import { Account, createAccountRules, type AccountRules, type Counted } from "./account.js";

/** Time to retry for a client that finds a count full, in ms. */
const RETRY_AFTER_MS = 60_000;
/** The same for a caller. Calls take about that long. */
const CALLS_RETRY_AFTER_MS = 1_000;
/**
 * Processor time that one request of a budget pays for, in ms. 0.2: a request that changes a subscription takes that
 * long.
 */
const REQUEST_MS = 0.2;
/** Most accounts that a sweep looks at, and most that are looked at to make room for one. */
const SWEEP_COUNT = 5_000;
const MAKE_ROOM_COUNT = 64;

/**
 * The accounts of full JIDs, bare JIDs and other domains, each with its budget. There are at most three for each of
 * `maxLinks`. Idle accounts are forgotten.
 */
export class Budgets {
  /** Called when an account was cut off. */
  onCut: ((account: Account, error: StanzapackError) => void) | undefined;
  private readonly accounts = new Map<string, Account>();
  private cursor = this.accounts.values();
  private readonly rules: AccountRules;
  private readonly clock: () => number;

  constructor(
    private readonly limits: ComponentLimits,
    private readonly stats: ComponentStats,
    /** Whether a domain is the operator's own. Such a domain has no budget, but its accounts have. */
    readonly isOurs: (domain: string) => boolean = () => true,
    /** A clock in ms, which never steps back. */
    clock: () => number = monotonicNow,
    private readonly chance: () => number = Math.random,
  ) {
    this.rules = createAccountRules(limits);
    // The budgets' own clock begins at 0, because small numbers have more digits behind the point.
    const startedAt = clock();
    this.clock = () => clock() - startedAt;
  }

  /**
   * Returns the accounts of a prepared JID: its own, its bare JID's and, unless the domain is ours, its domain's.
   * Throws `busy` when there are too many accounts.
   */
  of(jid: string): Account[] {
    const bare = bareOf(jid);
    const domain = domainOf(bare);
    const remote = !this.isOurs(domain);
    // Array literals of exactly this length, because every link keeps its array.
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
        throw new StanzapackError("busy", `${this.accounts.size} JIDs are active, no more are allowed`, {
          retryAfterMs: RETRY_AFTER_MS,
        });
      account = new Account(ownText(name), kind, remote, this.rules);
      account.usedAt = this.clock();
      this.accounts.set(account.name, account);
      this.stats.accounts = this.accounts.size;
    }
    return account;
  }

  /** Counts one more request of this JID. Throws `busy`, with a time to retry. */
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
      throw new StanzapackError("busy", `${text}: retry in ${retryAfterMs} ms`, { retryAfterMs });
    }
  }

  /**
   * Counts one more link that this JID opens. `all` admits the links of everybody. One account, or one other domain,
   * has a share of them. Throws `busy`, with a time to retry. Each share keeps that moment free, so a client that comes
   * then is admitted.
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
    // A client that comes too early keeps its moment. A client that asks again and again must not move the moments of
    // the others.
    let retryAfterMs = all.expectedIn(jid, now);
    if (retryAfterMs === undefined) {
      const at = momentOf(shares, now);
      const waitMs = Math.ceil(at - now);
      retryAfterMs = waitMs <= MAX_WAIT_MS ? waitMs : someWaitMs(this.chance());
      for (const { admission } of shares) admission.expect(jid, at, now);
    }
    this.stats.throttled++;
    throw new StanzapackError("busy", `${first.who} at once: retry in ${retryAfterMs} ms`, { retryAfterMs });
  }

  /**
   * Whether the budget of this JID has room for a request now. For work that can wait, and that is charged once it is
   * done.
   */
  hasRoom(jid: string): boolean {
    const now = this.clock();
    return namesOf(jid).every((name) => this.accounts.get(name)?.hasRoom(now) ?? true);
  }

  /** A request of this JID took `ms` of processor time. Charges what exceeds the time that one request pays for. */
  chargeWork(jid: string, ms: number): void {
    this.charge(jid, ms / REQUEST_MS - 1);
  }

  /** Charges a request of this JID as much as `requests` more. */
  charge(jid: string, requests: number): void {
    if (requests <= 0) return;
    const now = this.clock();
    // Only existing accounts are charged. A charge creates none.
    for (const name of namesOf(jid)) this.accounts.get(name)?.charge(requests, now);
  }

  private checkCut(account: Account, now: number): void {
    if (now >= account.cutUntil) return;
    const retryAfterMs = Math.ceil(account.cutUntil - now);
    throw new StanzapackError("busy", `${nameOf(account)} is cut off for another ${retryAfterMs} ms`, {
      retryAfterMs,
    });
  }

  /** Returns the accounts that are cut off, and for how long still, in ms. */
  cutOff(): { readonly name: string; readonly forMs: number }[] {
    const now = this.clock();
    const found: { name: string; forMs: number }[] = [];
    for (const { name, cutUntil } of this.accounts.values())
      if (cutUntil > now) found.push({ name, forMs: cutUntil - now });
    return found;
  }

  /** Ends the account's links by `onCut`, and refuses everything for a while. Returns the error. */
  private cut(account: Account, what: string): StanzapackError {
    const retryAfterMs = this.limits.cutOffSeconds * 1_000;
    account.cutUntil = this.clock() + retryAfterMs;
    this.stats.cutOffs++;
    const error = new StanzapackError(
      "busy",
      `${what}, for too long or by too much: cut off for ${retryAfterMs} ms`,
      { origin: "peer", retryAfterMs },
    );
    this.onCut?.(account, error);
    return error;
  }

  /**
   * Counts one published stanza. Returns the worst standing of the accounts: seconds of the rate left, or, negative,
   * owed. Cuts off an account that owes too much.
   */
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

  /** A count of `limits` for all JIDs together is used up, and a request is refused. */
  noteTotalUsedUp(): void {
    this.stats.overQuota++;
  }

  /**
   * Throws when this JID may have no more: `busy` for links, calls and pending approvals, `limit-exceeded` for the
   * others.
   */
  checkRoom(jid: string, what: Counted): void {
    const full = this.of(jid).find((account) => account[what] >= account.most(what));
    if (full === undefined) return;
    const verb = what === "services" ? "offers" : "has";
    const text = `${nameOf(full)} ${verb} ${full[what]} ${NAMES[what]}, no more are allowed`;
    this.stats.overQuota++;
    if (what === "links" || what === "pending")
      throw new StanzapackError("busy", text, { scope: "subscription", retryAfterMs: RETRY_AFTER_MS });
    if (what === "calls")
      throw new StanzapackError("busy", text, { scope: "call", retryAfterMs: CALLS_RETRY_AFTER_MS });
    throw new StanzapackError("limit-exceeded", text, { scope: "subscription" });
  }

  /** Counts one more, or one less. `by`: 1, or −1 for one that is gone. */
  count(jid: string, what: Counted, by: 1 | -1): void {
    for (const account of this.of(jid)) account[what] += by;
  }

  /** Once a second: forgets idle accounts. */
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

  /** Returns the next account, round robin. There is at least one. */
  private next(): Account {
    let next = this.cursor.next();
    if (next.done === true) next = (this.cursor = this.accounts.values()).next();
    return next.value as Account;
  }
}

/** Returns the names of the accounts that a JID may have. */
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
  calls: "calls without results",
};

function nameOf({ name, kind }: Account): string {
  return kind === "domain" ? name.slice(1) : name;
}

/** Returns the first moment that is free in each share, in ms. Beyond the longest wait, returns any moment. */
function momentOf(shares: readonly { readonly admission: OpenAdmission }[], now: number): number {
  for (let at = now; ;) {
    const before = at;
    for (const { admission } of shares) at = admission.freeFrom(at, now);
    if (at === before || at - now > MAX_WAIT_MS) return at;
  }
}
