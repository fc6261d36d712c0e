import type { Frame } from "@stanzapack/wire";

/** Counters since start, and sizes now. Counts, but for `heldUpMs`. */
export interface ComponentStats {
  links: number;
  services: number;
  subscriptions: number;
  lanes: number;
  /** Link stanzas written. */
  stanzasSent: number;
  /** … of those with DATA. */
  dataStanzasSent: number;
  /** Writes to the server's socket that carried link stanzas. */
  writes: number;
  framesReceived: Record<Frame["type"], number>;
  /** Updates received from publishers. */
  updatesIn: number;
  /** DATA bodies encoded for lanes, each shared by its subscribers. */
  laneEncodes: number;
  /** DATA bodies encoded for one subscriber (first value, back from detached); equal ones are encoded once. */
  singleEncodes: number;
  /** Times a subscriber had to be detached for want of acknowledgements. */
  detachments: number;
  linksEnded: number;
  /** Times a link was suspended, because its client's server was away or busy. */
  suspensions: number;
  /** Subscriptions restored on a new link by a token. */
  resumed: number;
  /** Opens, frames and requests refused. */
  refusals: number;
  /** Stanzas about no link of their sender, ignored or refused: of an earlier session, sent again, or about somebody else's link. */
  strays: number;
  /** Times this process was held up for over half a second: a long computation, a stop, a machine that slept. */
  holdUps: number;
  /** … all of them together, in ms. */
  heldUpMs: number;
  /** JIDs and other domains that have used something of their budgets lately. */
  accounts: number;
  /** Requests told to come later. */
  throttled: number;
  /** Times a publishing link was slowed down. */
  slowdowns: number;
  /** Times a JID was cut off. */
  cutOffs: number;
  /** Times a JID or a domain had its number of links, subscriptions, lanes or requests that await approval. */
  overQuota: number;
  /** Requests that await a publisher's approval now. */
  pendingApprovals: number;
  /** Questions put to publishers, repeated ones too. */
  approvalsAsked: number;
  approvalsGranted: number;
  approvalsDenied: number;
}

export function createStats(): ComponentStats {
  return {
    links: 0,
    services: 0,
    subscriptions: 0,
    lanes: 0,
    stanzasSent: 0,
    dataStanzasSent: 0,
    writes: 0,
    framesReceived: {
      ...{ hello: 0, bind: 0, data: 0, coded: 0, ack: 0, kept: 0, credit: 0, demand: 0, status: 0, error: 0, bye: 0 },
      ...{ subscribe: 0, change: 0, resume: 0, grant: 0, refused: 0, done: 0, envelope: 0 },
    },
    updatesIn: 0,
    laneEncodes: 0,
    singleEncodes: 0,
    detachments: 0,
    linksEnded: 0,
    suspensions: 0,
    resumed: 0,
    refusals: 0,
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
