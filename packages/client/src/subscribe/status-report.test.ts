import { describe, expect, it } from "vitest";
import { StatusReport, statusOf, type StatusCauses } from "./status-report.js";

const LIVE: StatusCauses = {
  ...{ standing: { absence: undefined, subid: "s" }, paused: false, slowed: false },
  publisher: "online",
};

describe("the status of a subscription", () => {
  it.each<[string, Partial<StatusCauses>, string, string]>([
    ["of a live one is the publisher's", {}, "online", "publisher"],
    ["of an offline publisher", { publisher: "offline" }, "offline", "publisher"],
    ["of a slowed one", { slowed: true }, "slowed", "client"],
    ["of a slowed one whose publisher pauses", { slowed: true, publisher: "paused" }, "paused", "publisher"],
    ["of a paused one that the component still has", { paused: true }, "online", "publisher"],
    [
      "of a paused one that was given back",
      { paused: true, standing: { absence: "resting", subid: "" } },
      ...(["paused", "client"] as const),
    ],
    [
      "of one that was given back, before it is subscribed again",
      { standing: { absence: "resting", subid: "" } },
      ...(["online", "publisher"] as const),
    ],
    ...(["disconnected", "waiting", "pending"] as const).map(
      (absence): [string, Partial<StatusCauses>, string, string] => [
        `of one that is ${absence} is that, whatever else holds`,
        { standing: { absence, subid: "" }, paused: true, slowed: true, publisher: "offline" },
        ...([absence, "client"] as const),
      ],
    ),
  ])("%s", (_, causes, status, by) => {
    expect(statusOf({ ...LIVE, ...causes })).toEqual({ status, by });
  });

  it("is news if it, its origin or the pace differs from the last one emitted", () => {
    const report = new StatusReport();
    expect(report.isNews({ status: "online", by: "publisher" })).toBe(false);
    expect(report.heard("online", null)).toBe(false);
    expect(report.heard("online", 500)).toBe(true);
    expect(report.isNews({ status: "online", by: "publisher" })).toBe(true);
    expect(report.isNews({ status: "online", by: "publisher" })).toBe(false);
    expect(report.isNews({ status: "paused", by: "publisher" })).toBe(true);
    expect(report.isNews({ status: "paused", by: "client" })).toBe(true);
    expect(report.last).toEqual({ status: "paused", by: "client" });
  });
});
