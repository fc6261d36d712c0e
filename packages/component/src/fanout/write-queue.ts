/** Parts of a tick. A link that is spread over a tick leaves in the part that its own phase names. */
export const PHASES = 5;

/** Values of `QueuedWriter.queue`: in no queue; with the next write. Every other number is a phase of a tick. */
export const NOT_QUEUED = -1;
const NEXT = 0;

/** Gathers the stanzas of one client until the next write. A link is such a writer. */
export interface QueuedWriter {
  /** Which queue the writer is in. Only the queue sets this. */
  queue: number;
  /** Writers that are due together leave one after another, by their phases. */
  readonly phase: number;
  /** Data stanzas that the client has not acknowledged. */
  readonly unacked: number;
  /** Returns the stanzas that wait, as text, and forgets them. `now`, `clock`: monotonic, in ms. */
  takeStanzas(now: number, clock: number): string[];
}

/**
 * Writers with something to write: those of the next write, and those of a large tick that leave in a later phase. A
 * writer is in one queue at most, and knows which. An entry that disagrees with its writer is an old one. Sets would
 * cost each stanza more than making the stanza.
 */
export class WriteQueue {
  private next: QueuedWriter[] = [];
  private readonly phased = Array.from({ length: PHASES }, (): QueuedWriter[] => []);

  /** Entries of the next write, old ones too. */
  get size(): number {
    return this.next.length;
  }
  get isSpread(): boolean {
    return this.phased.some(({ length }) => length > 0);
  }

  /** Adds a writer to the next write, even if it was to leave later. */
  add(writer: QueuedWriter): void {
    if (writer.queue === NEXT) return;
    writer.queue = NEXT;
    this.next.push(writer);
  }

  /** The writer has nothing to write any more. */
  remove(writer: QueuedWriter): void {
    writer.queue = NOT_QUEUED;
  }

  /** Moves a writer that was to leave later to the next write. */
  hurry(writer: QueuedWriter): void {
    if (writer.queue > NEXT) this.add(writer);
  }

  /** Moves the writers of the next write to their phases. Writers of the first phase stay. */
  spread(): void {
    for (const writer of this.take(NEXT)) {
      const phase = writer.phase % PHASES;
      if (phase === NEXT) this.add(writer);
      else {
        writer.queue = phase;
        this.phased[phase]?.push(writer);
      }
    }
  }

  /** Moves the writers of all later phases to the next write. */
  gather(): void {
    for (let phase = 1; phase < PHASES; phase++) for (const writer of this.take(phase)) this.add(writer);
  }

  clear(): void {
    for (let phase = 0; phase < PHASES; phase++) this.take(phase);
  }

  /** Takes the writers of the next write, or of a phase. */
  take(phase: number = NEXT): QueuedWriter[] {
    const entries = phase === NEXT ? this.next : (this.phased[phase] as QueuedWriter[]);
    if (phase === NEXT) this.next = [];
    else this.phased[phase] = [];
    let count = 0;
    for (const writer of entries) {
      if (writer.queue !== phase) continue;
      writer.queue = NOT_QUEUED;
      entries[count++] = writer;
    }
    entries.length = count;
    return entries;
  }
}
