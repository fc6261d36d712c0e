import type { ServiceConfig } from "../options/service-config.js";
import type { Retention } from "../store/base/retention.js";

/** Returns the bounds that the publisher of a log has chosen, as its configuration has them at the time. */
export function ownRetention(config: () => ServiceConfig | undefined): Retention {
  return {
    get maxRows() {
      return config()?.maxItems ?? Infinity;
    },
    get maxBytes() {
      return config()?.maxBytes ?? Infinity;
    },
    get maxAgeMs() {
      return (config()?.itemExpireSeconds ?? Infinity) * 1_000;
    },
  };
}
