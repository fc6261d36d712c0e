import { encodeFrame, type Frame, type ServiceStatus } from "@stanzapack/wire";
import { encodeBase64 } from "@stanzapack/xmpp";

/**
 * A frame for many links. Each link knows the frame's subject by an alias of its own. Most links have the same alias,
 * so few frames are encoded.
 */
export class SharedFrame {
  private readonly texts = new Map<number, string>();

  constructor(private readonly frame: (alias: number) => Frame) {}

  /** Returns the frame for this alias, as base64. */
  textFor(alias: number): string {
    let text = this.texts.get(alias);
    if (text === undefined) {
      text = encodeBase64(encodeFrame(this.frame(alias)));
      this.texts.set(alias, text);
    }
    return text;
  }
}

/** Returns a STATUS frame with what a service's publisher says of itself now. */
export function statusFrame(told: {
  readonly status: ServiceStatus;
  readonly windowMs: number | null;
}): SharedFrame {
  return new SharedFrame((alias) => ({ type: "status", alias, ...told }));
}
