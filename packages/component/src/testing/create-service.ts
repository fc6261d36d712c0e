import type { NodeId } from "@stanzapack/wire";
import { Service } from "../catalog/service.js";
import { ServiceRecord } from "../catalog/service-record.js";
import type { Kind } from "../kinds/kind.js";
import { DEFAULT_CONFIG, type ServiceConfig } from "../options/service-config.js";

/** The parts of a service that a test wants to set. */
export interface TestService {
  readonly id?: NodeId;
  readonly config?: Partial<ServiceConfig>;
  /** Default: 1. */
  readonly epoch?: number;
  /** The methods of the kind that the test calls. Default: none. */
  readonly kind?: Partial<Kind>;
  /** By the monotonic clock, in ms. Default: 0. */
  readonly createdAt?: number;
}

/** Returns a service `alice@x/t`, for unit tests. */
export function createService(given: TestService = {}): Service {
  const { id = { owner: "alice@x", name: "t" }, config, epoch = 1, kind = {}, createdAt = 0 } = given;
  const record = new ServiceRecord(id, { ...DEFAULT_CONFIG, ...config }, epoch, createdAt);
  return new Service(record, kind as Kind);
}
