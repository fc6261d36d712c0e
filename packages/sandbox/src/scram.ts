import { createHash, createHmac, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";

const deriveKey = promisify(pbkdf2);

/** Minimum of RFC 5802 §5.1. More would only slow down logins: the passwords have 128 random bits. */
const ITERATIONS = 4096;

/** Credentials for SCRAM-SHA-1, which a server stores instead of a password. */
export interface ScramCredentials {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** RFC 5802 §3. Computed here, since Node's native PBKDF2 is much faster than the servers' own. */
export async function deriveScram(
  password: string,
  salt: Buffer = randomBytes(12),
): Promise<ScramCredentials> {
  const saltedPassword = await deriveKey(password, salt, ITERATIONS, 20, "sha1");
  const hmac = (text: string): Buffer => createHmac("sha1", saltedPassword).update(text).digest();
  const storedKey = createHash("sha1").update(hmac("Client Key")).digest();
  return { salt, iterations: ITERATIONS, storedKey, serverKey: hmac("Server Key") };
}
