import { encodeFrame, type Frame } from "@stanzapack/wire";
import { encodeBase64 } from "@stanzapack/xmpp";
import type { Service } from "../catalog/service.js";
import type { Subscription } from "../subscriptions/subscription.js";

/** A frame that goes to many links, each of which knows its subject by an alias of its own: most have the same, so few are encoded. */
export class SharedFrame {
  private readonly texts = new Map<number, string>();

  constructor(private readonly frame: (alias: number) => Frame) {}

  sendTo({ link, alias }: Pick<Subscription, "link" | "alias">): void {
    let text = this.texts.get(alias);
    if (text === undefined) {
      text = encodeBase64(encodeFrame(this.frame(alias)));
      this.texts.set(alias, text);
    }
    link.append(text, false);
  }
}

/** Returns a STATUS frame with what the service's publisher says of itself now. */
export function statusFrame({ told }: Service): SharedFrame {
  return new SharedFrame((alias) => ({ type: "status", alias, ...told }));
}
