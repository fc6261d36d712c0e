import { createHash, createHmac, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";

const deriveKey = promisify(pbkdf2);

/** RFC 5802 §5.1's floor. More would only slow logins: the passwords here are 128 random bits. */
const ITERATIONS = 4096;

/** What a server stores instead of a password, for SCRAM-SHA-1. */
export interface ScramCredentials {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** RFC 5802 §3, computed here since Node's native PBKDF2 is far quicker than what the servers run. */
export async function deriveScram(
  password: string,
  salt: Buffer = randomBytes(12),
): Promise<ScramCredentials> {
  const saltedPassword = await deriveKey(password, salt, ITERATIONS, 20, "sha1");
  const hmac = (text: string): Buffer => createHmac("sha1", saltedPassword).update(text).digest();
  const storedKey = createHash("sha1").update(hmac("Client Key")).digest();
  return { salt, iterations: ITERATIONS, storedKey, serverKey: hmac("Server Key") };
}
