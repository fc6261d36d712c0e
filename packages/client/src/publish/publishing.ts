import { FlushTimer } from "../base/flush-timer.js";
import type { Link } from "../link/link.js";
import type { OfferedService } from "./offered-service.js";

/**
 * Decides when the updates of services leave. All updates that are due leave together, in one write. Updates that the
 * link or the server cannot take wait, and those of a `value` may be conflated.
 */
export class Publishing {
  private readonly timer = new FlushTimer<OfferedService>((due) => this.flush(due));
  private readonly held = new Set<OfferedService>();

  constructor(private readonly link: () => Link | undefined) {}

  book(service: OfferedService, dueAt: number): void {
    this.timer.book(service, dueAt);
  }

  forget(service: OfferedService): void {
    this.timer.forget(service);
    this.held.delete(service);
  }

  flushNow(service: OfferedService): void {
    if (service.pending && this.link()?.maySendData === true) this.send([service]);
  }

  /** Sends waiting updates. Call it after acknowledgements, or when the socket has drained. */
  release(): void {
    if (this.held.size === 0 || this.link()?.maySendData !== true) return;
    const services = [...this.held];
    this.held.clear();
    this.send(services);
  }

  /** Sends the waiting updates of these services now, and stops the timer. */
  finish(services: Iterable<OfferedService>): void {
    this.timer.stop();
    this.sendWithin(
      [...services].filter(({ pending }) => pending),
      Infinity,
    );
  }

  private flush(due: readonly OfferedService[]): void {
    const link = this.link();
    if (link?.maySendData === true) return this.send(due);
    for (const service of due) {
      this.hold(service);
      // Behind as much unacknowledged data as a link may have, only the newest update is worth sending.
      if (link?.unacknowledged === true) service.conflate();
    }
  }

  private hold(service: OfferedService): void {
    this.held.add(service);
    if (service.pending) service.wait();
  }

  private send(services: readonly OfferedService[]): void {
    let waiting = services;
    // A log sends as many updates as there is room for.
    while (this.sendWithin(waiting, this.link()?.roomBytes ?? 0)) {
      waiting = waiting.filter(({ pending }) => pending);
      if (this.link()?.maySendData === true) continue;
      for (const service of waiting) this.hold(service);
      return;
    }
  }

  /** Returns false if nothing was sent. */
  private sendWithin(services: readonly OfferedService[], roomBytes: number): boolean {
    const link = this.link();
    if (link === undefined) return false;
    const frames = services.flatMap((service) => {
      // If the server reads more slowly than the services publish, only the newest update is worth sending.
      if (link.slow && service.waitingBytes > roomBytes) service.conflate();
      return service.take(link.maxBlockBytes, roomBytes);
    });
    if (frames.length === 0) return false;
    link.sendData(frames);
    for (const service of services) service.wasSent(link.session.sentStanzas);
    return true;
  }
}
