export interface VerifyOptions {
  /** Time to wait for the outcome of the check, in ms, 1 to 2,147,483,647. Default 60,000. */
  readonly timeoutMs?: number | undefined;
}
