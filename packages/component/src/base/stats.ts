import type { BodyForm, Frame } from "@stanzapack/wire";

/** Counters since the start, and sizes now. All are counts, except those that end in `Ms` or `Chars`. */
export interface ComponentStats {
  links: number;
  services: number;
  subscriptions: number;
  /** Named cursors. */
  cursors: number;
  lanes: number;
  /** Calls that wait for their results now. */
  calls: number;
  /** Link stanzas written. */
  stanzasSent: number;
  /** Link stanzas with DATA written. */
  dataStanzasSent: number;
  /** Characters of these stanzas: lean stanzas, and In-Band Bytestreams. */
  sentChars: { lean: number; ibb: number };
  /** Writes to the server's socket that carried link stanzas. */
  writes: number;
  framesReceived: Record<Frame["type"], number>;
  /** Updates received from publishers. */
  updatesIn: number;
  /** Positions that publishers declared lost. Subscribers receive the range of these positions. */
  positionsLost: number;
  /** Updates that the store has lost, or may have lost, by a crash or a damage. */
  storeLost: number;
  /**
   * Updates that subscribers did not receive as rows: they were conflated, or the selection left them out. Counted for
   * each subscriber.
   */
  rowsConflated: number;
  /** DATA bodies encoded for lanes, each shared by its subscribers. */
  laneEncodes: number;
  /** Time of encoding for lanes, and of giving the bodies to links, in ms. */
  flushMs: number;
  /** Characters in base64 of all bodies encoded, by their form. */
  bodyChars: Partial<Record<BodyForm, number>>;
  /**
   * DATA bodies encoded for one subscriber, such as a first value, or one after a detachment. Equal bodies are encoded
   * once.
   */
  singleEncodes: number;
  /** DIGEST frames sent, without the answers to requests. */
  digestsSent: number;
  /** Ranges of a map that were sent again because a replica differed there. */
  rangesRepaired: number;
  /** Whole maps that were sent again because a replica differed in too many places. */
  mapsResent: number;
  /** Times a subscription was detached, because its link had no room or its credit was used up. */
  detachments: number;
  linksEnded: number;
  /** Times a link was suspended, because its client's server was away or busy. */
  suspensions: number;
  /** Subscriptions restored on a new link by a token. */
  resumed: number;
  /** Opens, frames and requests refused. */
  refusals: number;
  /** The same by reason: the code of our errors, or the condition of a stanza error. */
  refusedFor: Record<string, number>;
  /** Whom the last refusal told what, by such a reason and as a sentence. Undefined: there was none. */
  lastRefused: { readonly jid: string; readonly reason: string; readonly text: string } | undefined;
  /**
   * Stanzas that fit no link of their sender, ignored or refused. They are of an earlier session, were sent again, or
   * are about another client's link.
   */
  strays: number;
  /** Times this process was held up for over half a second: a long computation, a stop, a machine that slept. */
  holdUps: number;
  /** Length of all hold-ups together, in ms. */
  heldUpMs: number;
  /** JIDs and other domains that have used some of their budgets lately. */
  accounts: number;
  /** Requests refused with a time to retry. */
  throttled: number;
  /** Times a publishing link was slowed down. */
  slowdowns: number;
  /** Times a JID was cut off. */
  cutOffs: number;
  /**
   * Requests refused because a JID or a domain already had all links, subscriptions, lanes, services or pending
   * approvals that it may have.
   */
  overQuota: number;
  /** Requests that await a publisher's approval now. */
  pendingApprovals: number;
  /** Questions sent to publishers, with those that were repeated. */
  approvalsAsked: number;
  approvalsGranted: number;
  approvalsDenied: number;
}

export function createStats(): ComponentStats {
  return {
    links: 0,
    services: 0,
    subscriptions: 0,
    cursors: 0,
    lanes: 0,
    calls: 0,
    stanzasSent: 0,
    dataStanzasSent: 0,
    sentChars: { lean: 0, ibb: 0 },
    writes: 0,
    framesReceived: {
      ...{
        hello: 0,
        bind: 0,
        data: 0,
        coded: 0,
        snapshot: 0,
        ack: 0,
        kept: 0,
        credit: 0,
        demand: 0,
        status: 0,
        error: 0,
        bye: 0,
      },
      ...{
        subscribe: 0,
        change: 0,
        resume: 0,
        grant: 0,
        refused: 0,
        done: 0,
        envelope: 0,
        call: 0,
        result: 0,
        digest: 0,
        repair: 0,
        nodes: 0,
      },
    },
    updatesIn: 0,
    positionsLost: 0,
    storeLost: 0,
    rowsConflated: 0,
    laneEncodes: 0,
    flushMs: 0,
    bodyChars: {},
    singleEncodes: 0,
    digestsSent: 0,
    rangesRepaired: 0,
    mapsResent: 0,
    detachments: 0,
    linksEnded: 0,
    suspensions: 0,
    resumed: 0,
    refusals: 0,
    refusedFor: {},
    lastRefused: undefined,
    strays: 0,
    holdUps: 0,
    heldUpMs: 0,
    accounts: 0,
    throttled: 0,
    slowdowns: 0,
    cutOffs: 0,
    overQuota: 0,
    pendingApprovals: 0,
    approvalsAsked: 0,
    approvalsGranted: 0,
    approvalsDenied: 0,
  };
}

/** Counts a body that was encoded. */
export function countBody(
  { bodyChars }: ComponentStats,
  { form, base64 }: { readonly form: BodyForm; readonly base64: string },
): void {
  bodyChars[form] = (bodyChars[form] ?? 0) + base64.length;
}
