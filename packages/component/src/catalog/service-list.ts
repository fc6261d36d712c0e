import { monotonicNow } from "@stanzapack/xmpp";
import { searchFirst, type ResultSet } from "../forms/result-sets.js";
import type { Service } from "./service.js";

/**
 * Up to this many services are counted one by one for each asker. Beyond, the component counts only services that
 * everybody may find, at most once in `RECOUNT_MS`.
 */
const MAX_COUNTED = 5_000;
const RECOUNT_MS = 1_000;

/**
 * All services in the order of their first offers, for lists in pages. Their UIDs are serial numbers, in base 36. What
 * the component offers itself has a serial number, but is only in lists of one owner.
 */
export class ServiceList {
  /** All services. Some of them are withdrawn. */
  private listed: { readonly service: Service; readonly serial: number }[] = [];
  private withdrawn = 0;
  private nextSerial = 1;
  private readonly serials = new WeakMap<Service, number>();
  private publicCount = 0;
  private countedAt = -Infinity;

  constructor(private readonly clock: () => number = monotonicNow) {}

  add(service: Service): void {
    const serial = this.nextSerial++;
    this.serials.set(service, serial);
    if (isOfAccount(service)) this.listed.push({ service, serial });
  }

  /** The service was withdrawn. */
  remove(service: Service): void {
    if (!isOfAccount(service)) return;
    if (++this.withdrawn * 2 <= this.listed.length) return;
    this.listed = this.listed.filter(({ service }) => !service.withdrawn);
    this.withdrawn = 0;
  }

  /** Returns the services of `among`, or of all, that `asker` may find. */
  visibleTo(asker: string, among?: ReadonlySet<Service>): ResultSet<Service> {
    const isShown = (service: Service): boolean => !service.withdrawn && service.record.mayFind(asker);
    const uidOf = (service: Service): string => this.serialOf(service).toString(36);
    if (among !== undefined || this.listed.length - this.withdrawn <= MAX_COUNTED) {
      const all = among ?? this.listed.map(({ service }) => service);
      const shown = [...all].filter(isShown);
      return {
        ...{ length: shown.length, count: shown.length, isExact: true, uidOf },
        at: (position) => shown[position],
        seek: (uid, isAfter) => seek(shown.length, (i) => this.serialOf(shown[i] as Service), uid, isAfter),
      };
    }
    const { listed } = this;
    return {
      ...{ length: listed.length, count: this.countPublic(), isExact: false, uidOf },
      at(position) {
        const service = listed[position]?.service;
        return service !== undefined && isShown(service) ? service : undefined;
      },
      seek: (uid, isAfter) => seek(listed.length, (i) => listed[i]?.serial ?? 0, uid, isAfter),
    };
  }

  private serialOf(service: Service): number {
    return this.serials.get(service) ?? 0;
  }

  /** Returns how many services everybody may find. So nobody learns how many others there are. */
  private countPublic(): number {
    const now = this.clock();
    if (now - this.countedAt < RECOUNT_MS) return this.publicCount;
    this.countedAt = now;
    this.publicCount = 0;
    for (const { service } of this.listed)
      if (!service.withdrawn && service.config.access !== "whitelist") this.publicCount++;
    return this.publicCount;
  }
}

/** Whether an account offers the service. The component's own belong to its domain. */
function isOfAccount({ id }: Service): boolean {
  return id.owner.includes("@");
}

function seek(
  length: number,
  serialAt: (position: number) => number,
  uid: string,
  isAfter: boolean,
): number | undefined {
  if (!/^[0-9a-z]{1,10}$/.test(uid)) return undefined;
  const wanted = parseInt(uid, 36);
  return searchFirst(length, (position) =>
    isAfter ? serialAt(position) > wanted : serialAt(position) >= wanted,
  );
}
