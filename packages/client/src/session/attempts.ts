import { StanzapackError } from "@stanzapack/wire";
import { monotonicNow, sleep } from "@stanzapack/xmpp";
import { toStanzapackError } from "../base/errors.js";
import type { Link } from "../link/link.js";
import { onLink, type CurrentLink, type Links } from "./current-link.js";
import type { Target } from "./frame-router.js";
import { pauseMs } from "./retry-pause.js";

/** Decides how often a request is made: on which links, and again after which failures. */
export class Attempts {
  /** Targets of `make`, which asks for them on every link until there is an answer. */
  private readonly making = new Set<Target>();
  /** Requests that wait for an answer, each with its link. */
  private readonly asking = new Map<Target, { readonly link: Link; readonly answer: Promise<void> }>();

  constructor(
    private readonly links: Links,
    private readonly timeoutMs: number,
    /** Ends all attempts. */
    private readonly signal: AbortSignal,
  ) {}

  /** Whether `make` asks for the target now. Then nobody else restores it. */
  isMade(target: Target): boolean {
    return this.making.has(target);
  }

  /** Whether a request for the target waits for its answer. `on`: only a request on this link counts. */
  isAsked(target: Target, on?: Link): boolean {
    const asked = this.asking.get(target);
    return asked !== undefined && (on === undefined || asked.link === on);
  }

  /**
   * Carries out a request of the application, on the current link or on the next one. Asks again on the next link if
   * the link ends before the answer, and again when the stream is back. Waits for links `timeoutMs` in all. `targets`
   * are not restored meanwhile.
   */
  async make<R>(targets: readonly Target[], ask: (current: CurrentLink) => Promise<R>): Promise<R> {
    const until = monotonicNow() + this.timeoutMs;
    for (const target of targets) this.making.add(target);
    try {
      for (;;) {
        const current = await this.links.untilUp(until - monotonicNow());
        try {
          return await onLink(current, ask(current));
        } catch (error) {
          await this.examine(current, toStanzapackError(error, "asking the component"));
          if ((current.link.live && this.links.reachable) || monotonicNow() > until) throw error;
        }
      }
    } finally {
      for (const target of targets) this.making.delete(target);
    }
  }

  /** Checks whether the component still has the link, if the failure makes that doubtful. */
  private async examine({ link }: CurrentLink, { code, text }: StanzapackError): Promise<void> {
    if (code === "link-required") link.abandon(new StanzapackError("disconnected", text, { origin: "peer" }));
    if (code === "component-unavailable") await link.ask();
  }

  /** Whether another try may succeed. Checks the link too, if the failure makes it doubtful. */
  mayPass(current: CurrentLink, failure: StanzapackError): boolean {
    if (failure.code === "timeout") void current.link.ask();
    void this.examine(current, failure);
    return failure.retryable;
  }

  /**
   * Tries until the request succeeds, fails for good, or the link ends. Resolves after the first try. Calls `onFinal`
   * with a failure that is for good. A failure for a while says nothing of the link: everything else on it continues.
   */
  async persist(
    current: CurrentLink,
    doing: string,
    act: () => Promise<void>,
    onFinal: (failure: StanzapackError) => void,
    tries = 0,
  ): Promise<void> {
    try {
      await onLink(current, act());
    } catch (error) {
      const failure = toStanzapackError(error, doing);
      if (!current.link.live) return;
      if (!this.mayPass(current, failure)) return onFinal(failure);
      const again = async (): Promise<void> => {
        await sleep(pauseMs(failure.retryAfterMs, tries), this.signal);
        if (current.link.live) await this.persist(current, doing, act, onFinal, tries + 1);
      };
      void again();
    }
  }

  /** Asks for a target once on each link, however many want it. Rejects with `disconnected` if the link is gone. */
  once(
    target: Target,
    act: (current: CurrentLink) => Promise<void>,
    current = this.links.current,
  ): Promise<void> {
    if (current === undefined || current !== this.links.current)
      return Promise.reject(
        new StanzapackError("disconnected", `the link has ended, \`${target.node}\` waits`),
      );
    const before = this.asking.get(target);
    if (before?.link === current.link) return before.answer;
    const answer = onLink(current, act(current)).finally(() => {
      if (this.asking.get(target) === asked) this.asking.delete(target);
    });
    const asked = { link: current.link, answer };
    this.asking.set(target, asked);
    return answer;
  }

  /** Resolves when no request for the target waits for an answer. */
  async answered(target: Target): Promise<void> {
    await this.asking.get(target)?.answer.catch(() => undefined);
  }
}
