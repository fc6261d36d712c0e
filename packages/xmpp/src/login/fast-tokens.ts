import type { Exchange } from "./login.js";
import { randomUuid } from "../base/random.js";
import { toByteString } from "./scram.js";
import type { Element } from "../xml/xml.js";

export interface FastToken {
  readonly mechanism: string;
  readonly secret: string;
  /** In ms since 1970. */
  readonly expiresAt: number;
}

/**
 * The token (XEP-0484) of one connection, for its reconnections. It is in memory only. A token is as good as the
 * password, so no text shows it.
 */
export interface FastTokens {
  /** Id of this client, to which the server binds tokens. A random UUID, as XEP-0388 §2.3 asks. */
  readonly clientId: string;
  /**
   * Whether to ask for a token now. Servers keep a client's tokens for weeks, even if the client never connects again.
   * So a connection with an id of its own asks only from its second login on, when there may be a third. A client with
   * a lasting id always asks.
   */
  readonly wanted: boolean;
  /** Call after a successful login. */
  onLogin(): void;
  /** The mechanism for which to request a token; undefined when the server does not offer it. */
  supported(offered: readonly string[]): string | undefined;
  /**
   * Removes the token, and returns it when the server offers its mechanism and it has not expired. `now` is in ms since
   * 1970. The caller gives the token back after a successful login. Otherwise the next login uses the password. So a
   * login by token that hangs is not repeated for ever.
   */
  take(offered: readonly string[], now: number): FastToken | undefined;
  giveBack(token: FastToken): void;
  /** Keeps the server's `<token/>`. */
  keep(mechanism: string, element: Element): void;
}

/** Not bound to the TLS channel, which only some runtimes can identify. The certificate verifies the channel. */
const MECHANISM = "HT-SHA-256-NONE";

/** `clientId` is an id that stays the same for this client. Without it the connection draws an id of its own. */
export function createFastTokens(clientId?: string): FastTokens {
  let token: FastToken | undefined;
  let wanted = clientId !== undefined;
  return {
    clientId: clientId ?? randomUuid(),
    get wanted() {
      return wanted;
    },
    onLogin() {
      wanted = true;
    },
    supported: (offered) => (offered.includes(MECHANISM) ? MECHANISM : undefined),
    take(offered, now) {
      const taken = token;
      token = undefined;
      return taken !== undefined && offered.includes(taken.mechanism) && now < taken.expiresAt
        ? taken
        : undefined;
    },
    giveBack(taken) {
      token = taken;
    },
    keep(mechanism, element) {
      const secret = String(element.attrs["token"] ?? "");
      const expiresAt = Date.parse(String(element.attrs["expiry"] ?? ""));
      if (secret !== "" && !Number.isNaN(expiresAt)) token = { mechanism, secret, expiresAt };
    },
  };
}

/** Hashed Token SASL (draft-schmaus-kitten-sasl-ht-08 §3). Each side sends one message, which proves the token. */
export function createTokenExchange({ mechanism, secret }: FastToken): Exchange {
  let expected: string | undefined;
  const prove = async (role: "Initiator" | "Responder"): Promise<string> => {
    const encoder = new TextEncoder();
    const key = await crypto.subtle.importKey(
      "raw",
      encoder.encode(secret),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
    const proof = await crypto.subtle.sign("HMAC", key, encoder.encode(role));
    return String.fromCharCode(...new Uint8Array(proof));
  };
  return {
    mechanism: {
      name: mechanism,
      async response({ username }) {
        expected = btoa(await prove("Responder"));
        return `${toByteString(username)}\0${await prove("Initiator")}`;
      },
      challenge: () => undefined,
    },
    verify: (finalBase64) => expected !== undefined && finalBase64 === expected,
  };
}
