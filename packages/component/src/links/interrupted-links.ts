import type { ClientLink } from "./client-link.js";

/** Most links that are asked with one sweep. */
const ASKED_A_SWEEP = 1_000;
/** How often a link is asked before it is verified. */
const MAX_ASKED = 3;

/** A link that was asked for an acknowledgement so often. */
interface Asked {
  tries: number;
  /** How often it had been heard of when it was asked first, and how many data stanzas had been sent. */
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
   * The stream to the server was interrupted: stanzas may be lost, in both directions, and for a while after it too,
   * since a server may take the old stream for alive. Each client is asked for an acknowledgement until it comes.
   * Whichever side lacks a stanza finds that out by it, so that nothing stands still until one is due.
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
      // To the end of the row.
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
