import { StanzapackError, WHOLE } from "@stanzapack/wire";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { SharedSubscription } from "./shared-subscription.js";
import { untilApproved } from "./until-approved.js";

function setUp() {
  const shared = new SharedSubscription(
    "alice@x/t",
    {},
    { change: () => Promise.reject(new Error()), stop: () => Promise.resolve(), credit: () => undefined },
  );
  return { shared, subscription: shared.join<unknown>({}) };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it.each([true, false])("waits for the grant, and tells if the publisher must approve: %s", async (pends) => {
  const { shared, subscription } = setUp();
  if (pends) shared.interrupt("pending");
  const onPending = vi.fn();
  const approved = untilApproved(subscription, { onPending });
  await vi.advanceTimersByTimeAsync(59_000);
  shared.applyGrant({ subid: "s", windowMs: 0, selection: WHOLE });
  await approved;
  expect(onPending).toHaveBeenCalledTimes(pends ? 1 : 0);
  expect([shared.onGranted.size, subscription.onEnded, vi.getTimerCount()]).toEqual([0, undefined, 0]);
});

it("ends without a decision in time, with the reason of the end, and at once if it has ended", async () => {
  const { subscription } = setUp();
  const late = expect(untilApproved(subscription, { approvalMs: 5 })).rejects.toMatchObject({
    code: "pending",
  });
  await vi.advanceTimersByTimeAsync(5);
  await late;
  const { shared: other, subscription: denied } = setUp();
  const error = new StanzapackError("not-allowed", "no");
  const refused = expect(untilApproved(denied, {})).rejects.toBe(error);
  other.finish(error);
  await refused;
  await expect(untilApproved(denied, {})).rejects.toBe(error);
  const { subscription: stopped } = setUp();
  stopped.finish(undefined);
  await expect(untilApproved(stopped, {})).rejects.toMatchObject({ code: "stopped" });
  expect(vi.getTimerCount()).toBe(0);
});
