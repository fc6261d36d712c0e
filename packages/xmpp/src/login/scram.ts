import { XmppError } from "../base/errors.js";
import { randomText } from "../base/random.js";

export type ScramName = "SCRAM-SHA-1" | "SCRAM-SHA-256";

/** Best first. */
export const SCRAM_NAMES: readonly ScramName[] = ["SCRAM-SHA-256", "SCRAM-SHA-1"];

const HASHES: Readonly<Record<ScramName, string>> = { "SCRAM-SHA-1": "SHA-1", "SCRAM-SHA-256": "SHA-256" };

/** RFC 5802 §5.1, RFC 7677 §4. With fewer, an attacker in the place of the server could guess the password faster. */
const MIN_ITERATIONS = 4_096;
/** A server that asks for more would only keep us busy. Servers use up to 600,000. */
const MAX_ITERATIONS = 5_000_000;

/** A SASL mechanism whose client sends first. Responses and challenges are byte strings, with one character a byte. */
export interface SaslMechanism {
  readonly name: string;
  response(credentials: { username: string; password: string }): Promise<string>;
  challenge(text: string): void;
}

/**
 * SCRAM (RFC 5802, RFC 7677) over WebCrypto. The mechanism in xmpp.js blocks the only thread for half a second, accepts
 * any nonce, and never checks that the server knows the password too.
 */
export interface Scram {
  readonly mechanism: SaslMechanism;
  /** Whether the server has proved that it knows the password. `finalText` is the content of `<success/>`. */
  verify(finalText: string): boolean;
}

export function createScram(name: ScramName, clientNonce = randomText(24)): Scram {
  const hash = HASHES[name];
  let challenge = "";
  let firstBare = "";
  let expected: string | undefined;
  let verified = false;

  const verify = (finalText: string): boolean => {
    if (expected !== undefined && FINAL.exec(finalText)?.[1] === expected) verified = true;
    return verified;
  };

  const finalMessage = async (password: string): Promise<string> => {
    assertWebCrypto();
    const { nonce, salt, iterations } = parseChallenge(challenge, clientNonce);
    const salted = await derive(hash, password, salt, iterations);
    const clientKey = await hmac(hash, salted, utf8("Client Key"));
    const storedKey = new Uint8Array(await crypto.subtle.digest(hash, clientKey));
    const withoutProof = `c=biws,r=${nonce}`;
    const authMessage = utf8(`${firstBare},${challenge},${withoutProof}`);
    const signature = await hmac(hash, storedKey, authMessage);
    const serverKey = await hmac(hash, salted, utf8("Server Key"));
    expected = toBase64(await hmac(hash, serverKey, authMessage));
    return `${withoutProof},p=${toBase64(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0)))}`;
  };

  return {
    verify,
    mechanism: {
      name,
      async response({ username, password }) {
        if (firstBare === "") {
          firstBare = `n=${escapeName(username)},r=${clientNonce}`;
          return toByteString(`n,,${firstBare}`);
        }
        // Some servers send their proof as one more challenge. The answer to it is empty.
        if (expected !== undefined) return "";
        return toByteString(await finalMessage(password));
      },
      challenge(text) {
        const unicode = fromByteString(text);
        if (expected === undefined) challenge = unicode;
        else verify(unicode);
      },
    },
  };
}

/** RFC 5802 §5.1. NFKC gives the result of SASLprep for the characters that people use in names. */
function escapeName(name: string): string {
  return name.normalize("NFKC").replaceAll("=", "=3D").replaceAll(",", "=2C");
}

/** RFC 5802 §7, `server-first-message`: nonce, salt, iteration count, and extensions, which are ignored. */
const CHALLENGE =
  /^r=([\x21-\x2b\x2d-\x7e]+),s=((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?),i=([1-9]\d{0,9})((?:,[A-Za-z]=[^,]+)*)$/;
/** `server-final-message` with the server's proof. */
const FINAL = /^v=([A-Za-z0-9+/]+={0,2})(?:,(?![mv]=)[A-Za-z]=[^,]+)*$/;
/**
 * RFC 5802 §5.1: `m` is a mandatory extension that we do not have, so it ends the login. `r`, `s`, `i` would be
 * repeated.
 */
const REFUSED_EXTENSION = /,[mrsi]=/;

function parseChallenge(
  challenge: string,
  clientNonce: string,
): { readonly nonce: string; readonly salt: Bytes; readonly iterations: number } {
  const refuse = (why: string): XmppError =>
    new XmppError("auth", `the server's SCRAM challenge is refused: ${why}`);
  if (challenge.startsWith("m="))
    throw refuse("it asks for an extension (m=) that this client does not have");
  const [, nonce = "", salt = "", count = "", extensions = ""] = CHALLENGE.exec(challenge) ?? [];
  if (nonce === "") throw refuse("it is not nonce, salt and iteration count");
  if (REFUSED_EXTENSION.test(extensions))
    throw refuse("an attribute is repeated, or asks for an extension (m=) that this client does not have");
  // RFC 5802 §5.1: otherwise an attacker could replay an old exchange.
  if (!nonce.startsWith(clientNonce) || nonce.length === clientNonce.length)
    throw refuse("its nonce does not continue this login's");
  if (salt === "") throw refuse("its salt is empty");
  const iterations = Number(count);
  if (iterations < MIN_ITERATIONS)
    throw refuse(
      `${count} iterations are fewer than ${String(MIN_ITERATIONS)}; the server's operator must raise them`,
    );
  if (iterations > MAX_ITERATIONS)
    throw refuse(`${count} iterations are more than ${String(MAX_ITERATIONS)}`);
  return { nonce, salt: Uint8Array.from(atob(salt), (c) => c.charCodeAt(0)), iterations };
}

/**
 * Throws `XmppError` (`insecure-context`) when the runtime has no WebCrypto. Browsers give it only to secure contexts.
 */
export function assertWebCrypto(): void {
  if ((globalThis.crypto as { readonly subtle?: unknown } | undefined)?.subtle !== undefined) return;
  throw new XmppError(
    "insecure-context",
    "logging in needs WebCrypto, which browsers give only to pages loaded over https: or from localhost",
  );
}

async function derive(hash: string, password: string, salt: Bytes, iterations: number): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", utf8(password.normalize("NFKC")), "PBKDF2", false, [
    "deriveBits",
  ]);
  const bits = hash === "SHA-1" ? 160 : 256;
  return new Uint8Array(
    await crypto.subtle.deriveBits({ name: "PBKDF2", hash, salt, iterations }, key, bits),
  );
}

async function hmac(hash: string, secret: Bytes, data: Bytes): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, data));
}

type Bytes = Uint8Array<ArrayBuffer>;

const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

/** UTF-8 with one character a byte, because `btoa` accepts nothing else. */
export function toByteString(text: string): string {
  return toCharacters(utf8(text));
}

function fromByteString(bytes: string): string {
  return new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
}

/** Turns any number of bytes into characters. A single call would have a bounded number of arguments. */
function toCharacters(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

const toBase64 = (bytes: Uint8Array): string => btoa(toCharacters(bytes));
