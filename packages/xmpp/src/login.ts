import { createScram, SCRAM_NAMES, toByteString, type SaslMechanism, type ScramName } from "./scram.js";
import type { XmppJsClient } from "./xmpp-js.js";

/** One run of a mechanism. */
export interface Exchange {
  readonly mechanism: SaslMechanism;
  /** Whether the server has proved what the mechanism asks of it; `finalBase64`: what came with `<success/>`. */
  verify(finalBase64: string): boolean;
}

/** How one stream logs in. */
export interface Login {
  readonly credentials: { readonly username: string; readonly password: string };
  /** The best mechanism offered; undefined when none will do. PLAIN only over TLS, ANONYMOUS never. */
  pick(offered: readonly string[], secure: boolean): Exchange | undefined;
  /** Picks one and has xmpp.js run it; false when none will do. */
  choose(offered: readonly string[], secure: boolean): boolean;
  /** `Exchange.verify` of the one that xmpp.js runs. */
  verify(finalBase64: string): boolean;
}

/** Puts our mechanisms in the place of xmpp.js's, so that it runs the one chosen. */
export function prepareLogin(entity: XmppJsClient, username: string, password: string): Login {
  const credentials = { username, password };
  let chosen: Exchange | undefined;

  const use = (mechanism: SaslMechanism): void => {
    entity.saslFactory._mechs = [
      {
        name: mechanism.name,
        mech: class implements SaslMechanism {
          readonly name = mechanism.name;
          readonly clientFirst = mechanism.clientFirst;
          // xmpp.js hands over what it was made with, which is nothing.
          response = (): Promise<string> => mechanism.response(credentials);
          challenge = (text: string): void => {
            mechanism.challenge(text);
          };
        },
      },
    ];
  };

  const pick = (offered: readonly string[], secure: boolean): Exchange | undefined => {
    const name = SCRAM_NAMES.find((candidate) => offered.includes(candidate));
    if (name !== undefined) return createScramExchange(name);
    return secure && offered.includes("PLAIN") ? { mechanism: PLAIN, verify: () => true } : undefined;
  };

  return {
    credentials,
    pick,
    choose(offered, secure) {
      chosen = pick(offered, secure);
      if (chosen === undefined) return false;
      use(chosen.mechanism);
      return true;
    },
    verify: (finalBase64) => chosen?.verify(finalBase64) === true,
  };
}

function createScramExchange(name: ScramName): Exchange {
  const scram = createScram(name);
  return {
    mechanism: scram.mechanism,
    verify(finalBase64) {
      try {
        return scram.verify(atob(finalBase64));
      } catch {
        return false;
      }
    },
  };
}

/** RFC 4616. */
const PLAIN: SaslMechanism = {
  name: "PLAIN",
  clientFirst: true,
  response: ({ username, password }) => Promise.resolve(toByteString(`\0${username}\0${password}`)),
  challenge: () => undefined,
};
