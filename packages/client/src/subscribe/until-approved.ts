import { StanzapackError } from "@stanzapack/wire";
import { callSafely } from "@stanzapack/xmpp";
import type { SubscribeOptions } from "../options/subscribe-options.js";
import type { Subscription } from "./subscription.js";

/**
 * Resolves when the component grants the subscription. Calls `onPending` if its publisher must approve. Rejects when
 * the subscription ends, and with `pending` after `approvalMs`.
 */
export async function untilApproved(
  subscription: Subscription<unknown>,
  { approvalMs = 60_000, onPending }: Pick<SubscribeOptions<unknown>, "approvalMs" | "onPending">,
): Promise<void> {
  const { onGranted, pending } = subscription.shared;
  if (pending) callSafely(onPending);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let granted: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      onGranted.add((granted = resolve));
      subscription.onEnded = (error) =>
        reject(error ?? new StanzapackError("stopped", "the client is closed"));
      // It may have ended before: with the first request for the node, or by a denial right behind `pending`.
      const { endedWith } = subscription;
      if (endedWith !== undefined) subscription.onEnded(endedWith.error);
      const text = `no decision on \`${subscription.node}\` within ${approvalMs} ms`;
      timer = setTimeout(() => reject(new StanzapackError("pending", text)), approvalMs);
    });
  } finally {
    clearTimeout(timer);
    subscription.onEnded = undefined;
    if (granted !== undefined) onGranted.delete(granted);
  }
}
