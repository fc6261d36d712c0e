import type { ChildProcess } from "node:child_process";
import type { Child } from "../demo/child.js";
import { DemoError, describeFailure } from "../demo/failure.js";

/** Requests that a child process answers, by name. Requests and answers are JSON. */
export type Methods = Record<string, (request: never) => unknown>;

interface Call {
  readonly id: number;
  readonly method: string;
  readonly request: unknown;
}

type Answer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: { readonly code: string; readonly text: string } };

/** The parent's side: calls one child. */
export interface Caller<M extends Methods> {
  /** Rejects with the child's error, when the child ends, or when the signal fires. */
  readonly call: <K extends keyof M & string>(
    method: K,
    request: Parameters<M[K]>[0],
    signal: AbortSignal,
  ) => Promise<Awaited<ReturnType<M[K]>>>;
  /** Ends the child, after `graceMs` by SIGKILL. Idempotent. */
  readonly stop: (graceMs: number) => Promise<void>;
}

/** A message that ends the child. A parent that closes its channel never hears of the child's end (Node 20). */
const STOP = "stop";

export function createCaller<M extends Methods>(child: Child): Caller<M> {
  const process: ChildProcess = child.process;
  const waiting = new Map<number, (answer: Answer) => void>();
  let lastId = 0;
  process.on("message", (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
  });
  return {
    async call(method, request, signal) {
      const id = ++lastId;
      try {
        const answer = await child.until<Answer>(signal, (resolve) => {
          waiting.set(id, resolve);
          // If the child has ended, its `exit` event reports that.
          if (process.connected) process.send({ id, method, request } satisfies Call, () => undefined);
        });
        if ("failure" in answer) throw new DemoError(answer.failure.code, answer.failure.text);
        return answer.result as never;
      } finally {
        waiting.delete(id);
      }
    },
    stop: (graceMs) =>
      child.stop(() => {
        if (process.connected)
          process.send({ id: 0, method: STOP, request: null } satisfies Call, () => undefined);
      }, graceMs),
  };
}

/** The child's side: answers calls until the parent says stop or has ended. Then calls `stop`, and ends the process. */
export function answerCalls(methods: Methods, stop: () => Promise<void>): void {
  const tell = (answer: Answer): void => {
    // If the parent has ended, the event `disconnect` reports that.
    if (process.connected) process.send?.(answer, undefined, undefined, () => undefined);
  };
  const end = (): void => void stop().finally(() => process.exit(0));
  process.on("message", (message: Call) => {
    const { id, method, request } = message;
    if (method === STOP) return end();
    void (async () => methods[method]?.(request as never))().then(
      (result) => tell({ id, result: result ?? null }),
      (error: unknown) => {
        const { code, text } = describeFailure(error);
        tell({ id, failure: { code, text } });
      },
    );
  });
  process.once("disconnect", end);
  // A terminal sends these signals to the parent too. The parent decides when to stop.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
  process.stderr.on("error", () => undefined);
}
