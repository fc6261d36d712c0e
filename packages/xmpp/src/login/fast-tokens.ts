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

/** The token (XEP-0484) of one connection, in memory only, for its reconnections. As good as the password: never shown. */
export interface FastTokens {
  /** Names this client to the server, which binds tokens to it. A random UUID, as XEP-0388 §2.3 asks. */
  readonly clientId: string;
  /**
   * Whether to ask for a token now. Servers keep those of a client for weeks, also when it never comes again: so with an id
   * of one connection only from its second login on, when there may be a third; with one that stays, always.
   */
  readonly wanted: boolean;
  /** A login worked. */
  onLogin(): void;
  /** The mechanism to ask a token for. */
  supported(offered: readonly string[]): string | undefined;
  /**
   * The token, when the server takes it and it has not expired. It is gone with that: who does not give it back after a
   * login that worked uses the password next, so no login by token that hangs is tried for ever.
   */
  take(offered: readonly string[], now: number): FastToken | undefined;
  giveBack(token: FastToken): void;
  /** Keeps what the server gave: a `<token/>`. */
  keep(mechanism: string, element: Element): void;
}

/** Not bound to the TLS channel, which only some runtimes can name; the channel is verified by its certificate. */
const MECHANISM = "HT-SHA-256-NONE";

/** `clientId`: one that stays the same for this client; without it the connection has one of its own. */
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

/** Hashed Token SASL (draft-schmaus-kitten-sasl-ht-08 §3): one message each way, each side proving the token. */
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
