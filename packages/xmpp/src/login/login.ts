import { createScram, SCRAM_NAMES, toByteString, type SaslMechanism, type ScramName } from "./scram.js";

/** One run of a mechanism. */
export interface Exchange {
  readonly mechanism: SaslMechanism;
  /**
   * Whether the server has given the proof that the mechanism requires. `finalBase64` is the content of `<success/>`.
   */
  verify(finalBase64: string): boolean;
}

/** Credentials of one stream, and the choice of its mechanism. */
export interface Login {
  readonly credentials: { readonly username: string; readonly password: string };
  /**
   * Begins an exchange with the best mechanism offered; undefined when none is acceptable. Uses PLAIN only when
   * `secure`, and ANONYMOUS never.
   */
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
