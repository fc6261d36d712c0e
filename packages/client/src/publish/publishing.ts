import { FlushTimer } from "../base/flush-timer.js";
import type { Link } from "../link/link.js";
import type { OfferedService } from "./offered-service.js";

/**
 * When services' updates leave: all that are due at once, in one write; those that the link or the server cannot take wait, conflating.
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

  /** Acknowledgements came, or the socket drained. */
  release(): void {
    if (this.held.size === 0 || this.link()?.maySendData !== true) return;
    const services = [...this.held];
    this.held.clear();
    this.send(services);
  }

  /** Sends what waits and books no more. */
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
      // Until credit exists: behind so much unacknowledged, only the newest is worth waiting with.
      if (link?.unacknowledged === true) service.conflate();
    }
  }

  private hold(service: OfferedService): void {
    this.held.add(service);
    if (service.pending) service.wait();
  }

  private send(services: readonly OfferedService[]): void {
    let waiting = services;
    // Of a log as much leaves as there is room for.
    while (this.sendWithin(waiting, this.link()?.roomBytes ?? 0)) {
      waiting = waiting.filter(({ pending }) => pending);
      if (this.link()?.maySendData === true) continue;
      for (const service of waiting) this.hold(service);
      return;
    }
  }

  /** False when nothing left. */
  private sendWithin(services: readonly OfferedService[], roomBytes: number): boolean {
    const link = this.link();
    if (link === undefined) return false;
    const frames = services.flatMap((service) => {
      // Behind a server that reads slower than is published, the newest alone is worth the way.
      if (link.slow && service.waitingBytes > roomBytes) service.conflate();
      return service.take(link.maxBlockBytes, roomBytes);
    });
    if (frames.length === 0) return false;
    link.sendData(frames);
    for (const service of services) service.wasSent(link.session.sentStanzas);
    return true;
  }
}
