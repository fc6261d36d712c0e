import type { LinkEnd } from "../link/link-end.js";
import type { Link } from "../link/link.js";
import type { FrameRouter } from "./frame-router.js";

/** A link that is open, its aliases and its end. */
export interface CurrentLink {
  readonly link: Link;
  readonly router: FrameRouter;
  readonly over: LinkEnd;
}

/** The links of a client, one after another. */
export interface Links {
  readonly current: CurrentLink | undefined;
  /** Whether there is a stream. Without a stream the link may still live, while the server keeps its session. */
  readonly reachable: boolean;
  /** Resolves to the link, once a link and its stream exist. Rejects with `timeout`, or `stopped`. */
  untilUp(timeoutMs?: number): Promise<CurrentLink>;
}

/** Settles as the request does. Rejects when the link ends first: an answer of a link that is gone means nothing. */
export function onLink<R>(current: CurrentLink, request: Promise<R>): Promise<R> {
  return current.over.unless(request);
}
