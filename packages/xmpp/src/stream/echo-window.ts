import { monotonicNow } from "../base/clock.js";
import * as NS from "../base/namespaces.js";
import { SendWindow, type SendWindowPolicy } from "./send-window.js";
import { escapeAttribute, type Element } from "../xml/xml.js";

const ECHO_ID = /^echo\d+$/;

export interface EchoPolicy {
  readonly window: SendWindowPolicy;
  /** Longest wait for an echo, in ms. After it the echo counts as lost. */
  readonly answerMs: number;
  /** Whether the window bounds what is sent before the first echo arrives. */
  readonly atOnce: boolean;
}

/**
 * Policy of a component. 1 MB at the beginning: some thousand stanzas, which a small server routes in a quarter of a
 * second. There is no bound until a first echo shows that the server returns echoes.
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
 * Shows how far the server has read a stream without acknowledgements (XEP-0198). A component's stream has none, and
 * neither has a client's over BOSH. A message to ourselves, the echo, returns after everything that was sent before it.
 */
export interface EchoWindow {
  /** Characters that may be sent now; 0 when the server is too far behind. */
  readonly room: number;
  readonly slow: boolean;
  /** Counts an outbound text. Returns what to write: the text, and a message to ourselves when one is due. */
  outgoing(text: string): string;
  /** A message to ourselves has returned on this stream. */
  readonly echoes: boolean;
  /** Returns a message to ourselves to write. `came` resolves with true when it returns, with false on `reset`. */
  probe(): { readonly text: string; readonly came: Promise<boolean> };
  /** Returns true when the stanza is a returned message to ourselves. */
  onStanza(stanza: Element): boolean;
  /** The stream has ended. */
  reset(): void;
}

/** `ownAddress` returns our address as the server writes it into `from`. */
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
  /** Characters sent. */
  let sent = 0;
  /** Characters of `sent` that the server is known to have read. */
  let read = 0;
  /** Characters of `sent` before the last question. */
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
      // Without any echo so far, the server may never return one.
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
      // A server lets nobody else send with our address.
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
