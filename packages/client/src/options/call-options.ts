export interface CallOptions {
  /**
   * Time to wait for the result, in ms, 1 to 600,000. Then the `signal` of the publisher's handler aborts too. Default
   * 30,000.
   */
  readonly timeoutMs?: number | undefined;
}
