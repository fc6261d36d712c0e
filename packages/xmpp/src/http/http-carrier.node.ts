import type { HttpAnswer } from "./http-poster.node.js";

/**
 * Largest head of an answer, in bytes. 16,384: proxies add cookies and policies. It bounds the memory of a hostile
 * head.
 */
export const MAX_HEAD_BYTES = 16_384;

export interface CarrierRequest {
  readonly bytes: Buffer;
  readonly signal: AbortSignal;
  /** Called, perhaps more than once, when the operating system has taken the whole request, or never will. */
  readonly onLeft: () => void;
}

/** Sends requests to one address in one version of HTTP. */
export interface HttpCarrier {
  /** False: the next request needs another carrier. Requests under way may still be answered. */
  readonly isUsable: boolean;
  /** Rejects as `HttpPoster.post` does. */
  post(request: CarrierRequest): Promise<HttpAnswer>;
  close(): void;
}
