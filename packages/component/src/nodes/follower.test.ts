import { expect, it, vi } from "vitest";
import type { Service } from "../catalog/service.js";
import { Follower, type FollowerParts } from "./follower.js";
import type { FollowedService } from "./node-store.js";

it("leaves the service alone once this node owns it, even if a read is under way", async () => {
  const service = {
    ...{ node: "alice@x/log", owner: { domain: "b", fence: 1 } },
    config: { kind: "log", durability: "sync" },
    ...{ record: { id: {}, epoch: 1, offset: 0, approved: [] }, subscriptions: new Set(), lanes: new Map() },
  } as unknown as Service;
  let found: (stored: FollowedService) => void = () => undefined;
  const rehome = vi.fn();
  const close = vi.fn();
  const follower = new Follower(service, {
    store: {
      listen: () => Promise.resolve({ stop: () => undefined }),
      follow: () => new Promise((resolve) => (found = resolve)),
    },
    subscriptions: { rehome },
    ask: () => Promise.resolve(undefined),
  } as unknown as FollowerParts);
  for (let i = 0; i < 10; i++) await Promise.resolve();
  service.owner = undefined;
  found({ record: { epoch: 1, offset: 5 }, close } as unknown as FollowedService);
  await follower.ready;
  expect(rehome).not.toHaveBeenCalled();
  expect(close).toHaveBeenCalledOnce();
  await follower.look();
  follower.readAgain();
  expect(rehome).not.toHaveBeenCalled();
});
