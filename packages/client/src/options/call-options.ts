export interface CallOptions {
  /** Time to wait for the result, in ms, 1 to 600,000. Default 30,000. The publisher's handler is told too. */
  readonly timeoutMs?: number | undefined;
}
