import { createScram, SCRAM_NAMES, toByteString, type SaslMechanism, type Scram } from "./scram.js";
import type { XmppJsClient } from "./xmpp-js.js";

/** How one stream logs in. */
export interface Login {
  /** Takes the best mechanism offered; false when none will do. PLAIN only over TLS, ANONYMOUS never. */
  choose(offered: readonly string[], secure: boolean): boolean;
  /** Whether the server has proved what the mechanism asks of it; `finalBase64`: the text of `<success/>`. */
  verify(finalBase64: string): boolean;
}

/** Puts our mechanisms in the place of xmpp.js's, so that it runs the one chosen. */
export function prepareLogin(entity: XmppJsClient, username: string, password: string): Login {
  let scram: Scram | undefined;

  const use = (mechanism: SaslMechanism): void => {
    const credentials = { username, password };
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

  return {
    choose(offered, secure) {
      const name = SCRAM_NAMES.find((candidate) => offered.includes(candidate));
      if (name !== undefined) {
        scram = createScram(name);
        use(scram.mechanism);
        return true;
      }
      if (!secure || !offered.includes("PLAIN")) return false;
      use(PLAIN);
      return true;
    },
    verify(finalBase64) {
      if (scram === undefined) return true;
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
