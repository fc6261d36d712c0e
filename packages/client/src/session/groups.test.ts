import { expect, it, vi } from "vitest";
import type { ClientState } from "./client-state.js";
import type { FrameRouter } from "./frame-router.js";
import { Groups } from "./groups.js";
import type { Asked } from "../link/link-requests.js";
import type { CurrentLink } from "./current-link.js";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";

/** Groups on links whose component the test plays. `answer` sends an answer. */
function setUp() {
  const open = (): { router: FrameRouter; asked: Asked[]; answer: () => Promise<void> } => {
    const asked: Asked[] = [];
    const answers: (() => void)[] = [];
    // The numbers of requests begin at 1 on each link.
    let last = 0;
    const requests = {
      room: () => 4_000,
      ask: (frame: Asked) => {
        asked.push(frame);
        const request = ++last;
        return new Promise((resolve) => answers.push(() => resolve({ request, refused: new Map() })));
      },
    };
    const answer = async (): Promise<void> => {
      answers.shift()?.();
      await vi.waitFor(() => undefined);
    };
    return { router: { requests, aliasOf: () => undefined } as unknown as FrameRouter, asked, answer };
  };
  const link: { router: FrameRouter | undefined; up: Promise<void> } = {
    router: undefined,
    up: Promise.resolve(),
  };
  const groups = new Groups(
    new Map<string, SharedSubscription>(),
    { widened: (ms: number) => ms } as unknown as ClientState,
    {
      get router() {
        return link.router;
      },
      held: {
        subscriptions: { leave: () => undefined },
        attempts: {
          make: async (_, ask) => {
            await link.up;
            return ask({ router: link.router } as unknown as CurrentLink);
          },
        },
      },
    },
    () => {
      throw new Error("a pattern has no subscription of its own");
    },
  );
  return { groups, link, open };
}

it("a group's patterns are named by their numbers on the link there is, and by none before they stand there", async () => {
  const { groups, link, open } = setUp();
  const first = open();
  link.router = first.router;
  const opened = ["a@x/*", "b@x/*"].map((pattern) => groups.open([pattern], {}));
  await vi.waitFor(() => expect(first.asked).toHaveLength(2));
  await first.answer();
  await first.answer();
  const [, b] = await Promise.all(opened);
  groups.linkEnded();
  const second = open();
  link.router = second.router;
  const restoring = groups.restore(second.router);
  await vi.waitFor(() => expect(second.asked).toMatchObject([{ type: "subscribe", nodes: ["a@x/*"] }]));
  // On this link the first group has the number that the second group had before.
  await second.answer();
  await vi.waitFor(() => expect(second.asked).toHaveLength(2));
  const stopped = b?.stop();
  expect(second.asked.filter(({ type }) => type === "change")).toEqual([]);
  await second.answer();
  await restoring;
  await stopped;
  // The second group was stopped while it was restored: its patterns are given back, by its new number.
  await vi.waitFor(() =>
    expect(second.asked.at(-1)).toMatchObject({ type: "change", aliases: [], patterns: [2], options: null }),
  );
});

it("a group that is opened while the link is down asks once", async () => {
  const { groups, link, open } = setUp();
  let up = (): void => undefined;
  link.up = new Promise((resolve) => (up = resolve));
  const opened = groups.open(["a@x/*"], {});
  const { router, asked, answer } = open();
  link.router = router;
  await groups.restore(router);
  expect(asked).toEqual([]);
  up();
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  await answer();
  const stopped = (await opened).stop();
  await vi.waitFor(() =>
    expect(asked.at(-1)).toMatchObject({ type: "change", patterns: [1], options: null }),
  );
  await answer();
  await stopped;
});
