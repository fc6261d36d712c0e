import { assertNever } from "@stanzapack/wire";
import type { Away } from "./subscription-events.js";

/**
 * State of a subscription at the component. BIND has the alias, and the grant has the `subid`. They arrive in either
 * order, because a grant may be an iq and BIND is a frame.
 */
export interface Standing {
  /** Alias on the current link. Undefined without BIND. */
  readonly alias: number | undefined;
  /** Empty without a grant. */
  readonly subid: string;
  /**
   * Why the component does not have it. `resting`: it was given back for a pause. BIND ends the other absences, and the
   * grant ends `resting`.
   */
  readonly absence: Away | "resting" | undefined;
  /** Whether the publisher has not approved it yet. The grant ends that. */
  readonly unapproved: boolean;
}

export type StandingEvent =
  | { readonly type: "bound"; readonly alias: number }
  | { readonly type: "granted"; readonly subid: string }
  /** The link is gone, the service is not there, or the publisher must approve. */
  | { readonly type: "interrupted"; readonly away: Away }
  /** It was given back for a pause. */
  | { readonly type: "rested" };

/** Before the first request. */
export const ASKED: Standing = { alias: undefined, subid: "", absence: undefined, unapproved: false };

/** Returns the standing after an event. */
export function follow(before: Standing, event: StandingEvent): Standing {
  const { absence } = before;
  switch (event.type) {
    case "bound":
      return { ...before, alias: event.alias, absence: absence === "resting" ? absence : undefined };
    case "granted":
      return {
        ...before,
        subid: event.subid,
        absence: absence === "resting" ? undefined : absence,
        unapproved: false,
      };
    case "interrupted":
      // The approval, and its BIND, may have come before the answer `pending`.
      if (event.away === "pending" && before.alias !== undefined) return before;
      return { ...ASKED, absence: event.away, unapproved: event.away === "pending" };
    case "rested":
      return { ...ASKED, absence: "resting", unapproved: before.unapproved };
    default:
      return assertNever(event);
  }
}
