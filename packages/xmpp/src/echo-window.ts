import * as NS from "./namespaces.js";
import { SendWindow } from "./send-window.js";
import { escapeAttribute, type Element } from "./xml.js";

/** 1 MB at first: some thousand stanzas, a quarter of a second of a small server's routing. */
const WINDOW = { targetMs: 250, initialChars: 1_048_576, maxChars: 8_388_608 };
/** An echo that takes longer than this is given up, in ms: it was lost. */
const ANSWER_MS = 10_000;

export interface EchoHooks {
  readonly write: (text: string) => void;
  /** There may be room again. */
  readonly onRoom: () => void;
}

/**
 * How far the server is with what a component sent. A component's stream has no acknowledgements (XEP-0198 is the client's), but a
 * message to itself comes back behind everything sent before it. Without a bound until the first came back.
 */
export interface EchoWindow {
  /** Characters that may be sent now; 0 when the server is too far behind. */
  readonly room: number;
  readonly slow: boolean;
  /** Counts an outbound text; gives what to append to it: a message to ourselves, or nothing. */
  onSent(text: string): string;
  /** True when the stanza is our own message come back. */
  onStanza(stanza: Element): boolean;
  /** The stream is gone. */
  reset(): void;
}

export function createEchoWindow(domain: string, hooks: EchoHooks): EchoWindow {
  const window = new SendWindow(WINDOW);
  const address = escapeAttribute(domain);
  let asked: { readonly id: string; readonly timer: ReturnType<typeof setTimeout> } | undefined;
  let echoed = false;
  let count = 0;
  /** Characters sent; those of them that are known to be read, and that stand before the question. */
  let sent = 0;
  let read = 0;
  let before = 0;

  const question = (): string => {
    const id = `echo${String(++count)}`;
    window.question(performance.now());
    before = sent;
    const timer = setTimeout(() => {
      asked = undefined;
      read = sent;
      window.forget();
      hooks.onRoom();
    }, ANSWER_MS);
    asked = { id, timer };
    const attributes = `from="${address}" to="${address}" id="${id}" type="headline"`;
    return `<message ${attributes}><echo xmlns="${NS.STANZAPACK}"/></message>`;
  };

  return {
    get room() {
      return echoed ? window.room(performance.now()) : Infinity;
    },
    get slow() {
      return window.slow;
    },
    onSent(text) {
      sent += text.length;
      const wantsAnswer = window.sent(text.length, performance.now());
      return wantsAnswer && asked === undefined ? question() : "";
    },
    onStanza(stanza) {
      const { id, from } = stanza.attrs as { id?: string; from?: string };
      // A server lets nobody else send in our name.
      if (stanza.name !== "message" || from !== domain || id === undefined) return false;
      if (asked?.id !== id) return true;
      clearTimeout(asked.timer);
      asked = undefined;
      echoed = true;
      window.read(before - read);
      read = before;
      if (window.answered(performance.now())) hooks.write(question());
      hooks.onRoom();
      return true;
    },
    reset() {
      clearTimeout(asked?.timer);
      asked = undefined;
      echoed = false;
      sent = read = before = 0;
      window.forget();
    },
  };
}
