import type { HttpAnswer } from "./http-poster.node.js";

/** Largest head of an answer, in bytes: proxies add cookies and policies, and it bounds what a hostile one holds. */
export const MAX_HEAD_BYTES = 16_384;

export interface CarrierRequest {
  readonly bytes: Buffer;
  readonly signal: AbortSignal;
  /** Called when all of it is with the operating system, or never will be; also more than once. */
  readonly onLeft: () => void;
}

/** One version of HTTP at work for one address. */
export interface HttpCarrier {
  /** False: the next request takes another one; those under way may still be answered. */
  readonly isUsable: boolean;
  /** Rejects as `HttpPoster.post` does. */
  post(request: CarrierRequest): Promise<HttpAnswer>;
  close(): void;
}
