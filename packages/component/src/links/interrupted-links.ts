import type { ClientLink } from "./client-link.js";

/** Most links that are asked with one sweep. */
const ASKED_A_SWEEP = 1_000;
/** How often a link is asked before it is verified. */
const MAX_ASKED = 3;

/** How often a link was asked for an acknowledgement, and its state at the first question. */
interface Asked {
  tries: number;
  /**
   * `heard`: how often anything of the client had arrived by then. `sent`: how many data stanzas had been sent by then.
   */
  heard: number;
  sent: number;
}

/** Links that an interrupted stream to the server may have cost stanzas, and that have not answered since. */
export class InterruptedLinks {
  private readonly unsure = new Map<ClientLink, Asked>();

  constructor(
    /** Finds out whether a client lives that has not answered. */
    private readonly verify: (link: ClientLink) => void,
  ) {}

  /**
   * The stream to the server was interrupted. Stanzas may be lost in both directions, and for a while afterwards too,
   * since a server may think that the old stream is alive. Each client is asked for an acknowledgement, `MAX_ASKED`
   * times at most. By the acknowledgement, each side finds out whether it lacks a stanza. So nothing stands still until
   * the next acknowledgement is due.
   */
  askAll(links: Iterable<ClientLink>): void {
    for (const link of links) this.unsure.set(link, { tries: 0, heard: 0, sent: 0 });
    this.sweep();
  }

  /** Once a second: asks the next links that have not answered. */
  sweep(): void {
    let left = ASKED_A_SWEEP;
    for (const [link, asked] of [...this.unsure]) {
      if (left === 0) return;
      // The link moves to the end of the row.
      this.unsure.delete(link);
      if (link.ended || link.closedAt !== undefined || hasAnswered(link, asked)) continue;
      left--;
      if (asked.tries === MAX_ASKED) this.verify(link);
      else {
        if (asked.tries === 0) [asked.heard, asked.sent] = [link.heard, link.session.sentStanzas];
        asked.tries++;
        this.unsure.set(link, asked);
        link.askAck();
      }
    }
  }
}

function hasAnswered({ heard, session }: ClientLink, asked: Asked): boolean {
  return asked.tries > 0 && heard > asked.heard && session.acknowledgedStanzas >= asked.sent;
}
