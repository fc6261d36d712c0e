import { createScram, SCRAM_NAMES, toByteString, type SaslMechanism, type ScramName } from "./scram.js";

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
}

export function prepareLogin(username: string, password: string): Login {
  return {
    credentials: { username, password },
    pick(offered, secure) {
      const name = SCRAM_NAMES.find((candidate) => offered.includes(candidate));
      if (name !== undefined) return createScramExchange(name);
      return secure && offered.includes("PLAIN") ? { mechanism: PLAIN, verify: () => true } : undefined;
    },
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
  response: ({ username, password }) => Promise.resolve(toByteString(`\0${username}\0${password}`)),
  challenge: () => undefined,
};
