/** A request that waits for its answer. */
export interface BoshRequest {
  readonly rid: number;
  /** When it is sent again it must be the same, byte by byte (XEP-0124 §14.3). */
  readonly body: string;
}

/**
 * The request ids of one session: which may be sent, and the order of their answers (XEP-0124 §14). Pure. The span
 * from the oldest missing answer to the newest request never exceeds the window. So the server still keeps every
 * missing answer.
 */
export class BoshWindow<Answer> {
  /** Most requests under way (XEP-0124's `requests`). */
  size = 1;
  #next: number;
  #deliver: number;
  readonly #open = new Set<number>();
  readonly #answers = new Map<number, Answer>();

  /** `first` is the first request id. XEP-0124 §14.1 requires a random one, and ids that stay below 2^53. */
  constructor(first: number) {
    this.#next = this.#deliver = first;
  }

  /** Requests without an answer. */
  get unansweredCount(): number {
    return this.#open.size;
  }

  /**
   * Whether a further request may be sent. `extra` is 1 for a pause or an end, which may exceed the window (XEP-0124
   * §11).
   */
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

  /** Receives an answer. Returns the answers that are next in order. Ignores a second answer to the same request. */
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
