/** What waits for its answer. */
export interface BoshRequest {
  readonly rid: number;
  /** Sent again it must be the same, byte by byte (XEP-0124 §14.3). */
  readonly body: string;
}

/**
 * The request ids of one session: which may be sent, and in which order answers count (XEP-0124 §14). Pure.
 * The span from the oldest answer that is missing to the newest request never exceeds the window, so what is missing
 * is always among the answers that the server still keeps.
 */
export class BoshWindow<Answer> {
  /** How many requests may be under way (XEP-0124's `requests`). */
  size = 1;
  #next: number;
  #deliver: number;
  readonly #open = new Set<number>();
  readonly #answers = new Map<number, Answer>();

  /** `first`: the first request id; XEP-0124 §14.1 wants it random, and that the ids stay below 2^53. */
  constructor(first: number) {
    this.#next = this.#deliver = first;
  }

  /** Requests without an answer. */
  get unansweredCount(): number {
    return this.#open.size;
  }

  /** Whether a further request may go; `extra`: one more, for a pause or an end (XEP-0124 §11). */
  hasRoom(extra = 0): boolean {
    return this.#next - this.#deliver < this.size + extra;
  }

  get nextRid(): number {
    return this.#next;
  }

  /** Registers a request under `nextRid`. */
  open(body: string): BoshRequest {
    const request = { rid: this.#next++, body };
    this.#open.add(request.rid);
    return request;
  }

  /** Takes an answer; gives those whose turn has come. A second answer to the same request gives nothing. */
  answer(rid: number, answer: Answer): Answer[] {
    if (!this.#open.delete(rid)) return [];
    this.#answers.set(rid, answer);
    const due: Answer[] = [];
    for (;;) {
      const next = this.#answers.get(this.#deliver);
      if (next === undefined) return due;
      this.#answers.delete(this.#deliver++);
      due.push(next);
    }
  }
}
