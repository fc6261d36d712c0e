import { FlushTimer } from "./flush-timer.js";
import type { Link } from "./link.js";
import type { OfferedService } from "./offered-service.js";

/** When services' updates leave: all that are due at once, in one write; those the link cannot take wait, conflating. */
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
    this.send([...services].filter(({ pending }) => pending));
  }

  private flush(due: readonly OfferedService[]): void {
    const link = this.link();
    if (link?.maySendData === true) return this.send(due);
    for (const service of due) {
      this.held.add(service);
      // Until credit exists: behind so much unacknowledged, only the newest is worth waiting with.
      if (link?.unacknowledged === true) service.conflate();
    }
  }

  private send(services: readonly OfferedService[]): void {
    const link = this.link();
    if (link === undefined) return;
    const frames = services.flatMap((service) => service.take(link.maxBlockBytes));
    if (frames.length === 0) return;
    link.sendData(frames);
    for (const service of services) service.wasSent(link.session.sentStanzas);
  }
}
