import type { Logger } from "pino";

export interface ComponentOptions {
  /** Default: JSON lines on stderr, at the config's level. */
  readonly logger?: Logger | undefined;
  /**
   * `false`: the first failed attempt to connect rejects `start`, and a lost stream ends the component (`onEnded`).
   * Default: `true`.
   */
  readonly reconnect?: boolean | undefined;
}
