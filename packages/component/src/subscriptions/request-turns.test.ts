import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RequestTurns, settled, type Job, type Steps } from "./request-turns.js";

interface TestLink {
  ended: boolean;
}

/** Turns whose jobs note their steps. A step takes no time. */
function setUp() {
  const host = { open: true };
  const notes: string[] = [];
  const ended: Job[] = [];
  const turns = new RequestTurns<TestLink, Job>(
    host,
    (_, job) => {
      if (job.hasEnded === true) ended.push(job);
    },
    () => 0,
  );
  const fail = vi.fn<(error: unknown) => void>();
  const add = (link: TestLink, steps: () => Steps): Job => {
    const job: Job = { steps: steps(), fail };
    turns.add(link, job);
    return job;
  };
  const count = (name: string, steps: number) =>
    function* (): Steps {
      for (let step = 1; step <= steps; step++) {
        notes.push(`${name}${step}`);
        yield;
      }
    };
  return { host, turns, notes, ended, fail, add, count };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pass = (): Promise<unknown> => vi.advanceTimersByTimeAsync(100);

describe("turns of requests", () => {
  it("take a share of each link's steps by turns, and one link's jobs in their order", async () => {
    const { notes, ended, add, count } = setUp();
    const [one, two] = [{ ended: false }, { ended: false }];
    const jobs = [add(one, count("a", 150)), add(one, count("b", 1)), add(two, count("c", 2))];
    await pass();
    expect(notes.indexOf("c2")).toBeLessThan(notes.indexOf("a150"));
    expect(notes.at(-1)).toBe("b1");
    expect(ended).toEqual([jobs[2], jobs[0], jobs[1]]);
  });

  it("wait while the stream to the server takes no more", async () => {
    const { host, notes, add, count } = setUp();
    host.open = false;
    add({ ended: false }, count("a", 1));
    await pass();
    expect(notes).toEqual([]);
    host.open = true;
    await pass();
    expect(notes).toEqual(["a1"]);
  });

  it("pause the jobs of a link whose first job waits for somebody else, and no other link's", async () => {
    const { turns, notes, ended, fail, add, count } = setUp();
    const [one, two] = [{ ended: false }, { ended: false }];
    let answer: (text: string) => void = () => undefined;
    const asked = new Promise<string>((resolve) => (answer = resolve));
    const waiting = add(one, function* () {
      notes.push(yield* settled(asked));
    });
    const behind = add(one, count("behind", 1));
    add(two, count("other", 1));
    await pass();
    expect(notes).toEqual(["other1"]);
    expect(turns.jobsOf(one)).toEqual([waiting, behind]);
    answer("answered");
    await pass();
    expect(notes).toEqual(["other1", "answered", "behind1"]);
    expect([ended.length, turns.jobsOf(one), fail.mock.calls]).toEqual([3, [], []]);
  });

  it("end a job that throws, or whose answer is an error, and go on with the next", async () => {
    const { notes, fail, add, count } = setUp();
    const link = { ended: false };
    add(link, function* () {
      yield;
      throw new Error("at once");
    });
    add(link, function* () {
      yield* settled(Promise.reject(new Error("later")));
    });
    add(link, count("next", 1));
    await pass();
    expect(fail.mock.calls).toEqual([[new Error("at once")], [new Error("later")]]);
    expect(notes).toEqual(["next1"]);
  });

  it("drop the jobs of a link that has ended, also while one waits", async () => {
    const { turns, notes, add, count } = setUp();
    const link = { ended: false };
    let answer: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (answer = resolve));
    add(link, function* () {
      yield* settled(asked);
      notes.push("too late");
    });
    await pass();
    turns.forget(link);
    answer();
    await pass();
    expect([notes, turns.jobsOf(link)]).toEqual([[], []]);
    add({ ended: false }, count("a", 1));
    turns.stop();
    await pass();
    expect([notes, vi.getTimerCount()]).toEqual([[], 0]);
  });
});
