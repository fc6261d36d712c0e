import { monotonicNow } from "../base/clock.js";
import * as NS from "../base/namespaces.js";
import { SendWindow, type SendWindowPolicy } from "./send-window.js";
import { escapeAttribute, type Element } from "../xml/xml.js";

const ECHO_ID = /^echo\d+$/;

export interface EchoPolicy {
  readonly window: SendWindowPolicy;
  /** An echo that takes longer than this is given up, in ms: it was lost. */
  readonly answerMs: number;
  /** Whether it bounds before the first echo came. */
  readonly atOnce: boolean;
}

/**
 * A component's. 1 MB at first: some thousand stanzas, a quarter of a second of a small server's routing. Without a bound until a first
 * echo shows that the server gives them back.
 */
export const COMPONENT_ECHO: EchoPolicy = {
  window: { targetMs: 250, initialChars: 1_048_576, maxChars: 8_388_608 },
  ...{ answerMs: 10_000, atOnce: false },
};

export interface EchoHooks {
  readonly write: (text: string) => void;
  /** There may be room again. */
  readonly onRoom: () => void;
}

/**
 * How far the server is with what was sent on a stream without acknowledgements (XEP-0198): a component's has none, nor has ours over
 * BOSH. A message to ourselves comes back behind everything sent before it.
 */
export interface EchoWindow {
  /** Characters that may be sent now; 0 when the server is too far behind. */
  readonly room: number;
  readonly slow: boolean;
  /** Counts an outbound text; gives what to write: it, with a message to ourselves behind it where one is due. */
  outgoing(text: string): string;
  /** Some message to ourselves came back on this stream. */
  readonly echoes: boolean;
  /** A message to ourselves to be written; `came`: whether it came back, false when the stream is lost first. */
  probe(): { readonly text: string; readonly came: Promise<boolean> };
  /** True when the stanza is our own message come back. */
  onStanza(stanza: Element): boolean;
  /** The stream is gone. */
  reset(): void;
}

/** `ownAddress`: as the server stamps it. */
export function createEchoWindow(
  ownAddress: () => string,
  { window: windowPolicy, answerMs, atOnce }: EchoPolicy,
  hooks: EchoHooks,
): EchoWindow {
  const window = new SendWindow(windowPolicy);
  let asked: { readonly id: string; readonly timer: ReturnType<typeof setTimeout> } | undefined;
  let echoed = false;
  let bounds = atOnce;
  let count = 0;
  /** Characters sent; those of them that are known to be read, and that stand before the question. */
  let sent = 0;
  let read = 0;
  let before = 0;

  const probes = new Map<string, (came: boolean) => void>();

  const toOurselves = (id: string): string => {
    const address = escapeAttribute(ownAddress());
    const attributes = `from="${address}" to="${address}" id="${id}" type="headline"`;
    return `<message ${attributes}><echo xmlns="${NS.STANZAPACK}"/></message>`;
  };

  const question = (): string => {
    const id = `echo${String(++count)}`;
    window.question(monotonicNow());
    before = sent;
    const timer = setTimeout(() => {
      asked = undefined;
      read = sent;
      // Perhaps none ever comes.
      bounds = echoed;
      window.forget();
      hooks.onRoom();
    }, answerMs);
    asked = { id, timer };
    return toOurselves(id);
  };

  return {
    get room() {
      return bounds ? window.room(monotonicNow()) : Infinity;
    },
    get slow() {
      return window.slow;
    },
    outgoing(text) {
      sent += text.length;
      const wantsAnswer = window.sent(text.length, monotonicNow());
      return wantsAnswer && asked === undefined ? text + question() : text;
    },
    get echoes() {
      return echoed;
    },
    probe() {
      const id = `echo${String(++count)}`;
      return { text: toOurselves(id), came: new Promise((resolve) => probes.set(id, resolve)) };
    },
    onStanza(stanza) {
      const { id, from } = stanza.attrs as { id?: string; from?: string };
      // A server lets nobody else send in our name.
      if (stanza.name !== "message" || from !== ownAddress() || id === undefined || !ECHO_ID.test(id))
        return false;
      const probe = probes.get(id);
      if (probe !== undefined) {
        probes.delete(id);
        echoed = true;
        probe(true);
      }
      if (asked?.id !== id) return true;
      clearTimeout(asked.timer);
      asked = undefined;
      echoed = bounds = true;
      window.read(before - read);
      read = before;
      if (window.answered(monotonicNow())) hooks.write(question());
      hooks.onRoom();
      return true;
    },
    reset() {
      clearTimeout(asked?.timer);
      asked = undefined;
      for (const resolve of probes.values()) resolve(false);
      probes.clear();
      echoed = false;
      bounds = atOnce;
      sent = read = before = 0;
      window.forget();
    },
  };
}
