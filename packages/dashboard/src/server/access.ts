import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isLoopbackHost } from "@stanzapack/xmpp";
import { StanzapackError } from "@stanzapack/wire";

/** Least length of a token, in characters: nobody guesses one by trying. */
export const MIN_TOKEN_CHARS = 16;

const COOKIE = "stanzapack-dashboard";

/** What a request may do. `cookie`: the token was right, and the browser is to send this cookie from now on. */
export type Verdict =
  | { readonly is: "allowed" }
  | { readonly is: "token-given"; readonly cookie: string }
  | { readonly is: "wrong-host" }
  | { readonly is: "no-token" };

/**
 * Checks who may see the page. Without a token: requests to this machine under its own names only, so that a page of
 * another site cannot reach the server by a name that it points here (DNS rebinding). With a token: requests that give
 * the token once, as `/?token=…`, and later the cookie.
 */
export class Access {
  private readonly cookie: string | undefined;

  constructor(private readonly token: string | undefined) {
    this.cookie =
      token === undefined ? undefined : createHmac("sha256", token).update(COOKIE).digest("base64url");
  }

  check({ headers, url = "/" }: Pick<IncomingMessage, "headers" | "url">): Verdict {
    const { token, cookie } = this;
    if (token === undefined || cookie === undefined)
      return isLoopbackHost(nameOf(headers.host)) ? { is: "allowed" } : { is: "wrong-host" };
    if (isSame(readCookie(headers.cookie), cookie)) return { is: "allowed" };
    const given = new URL(url, "http://localhost").searchParams.get("token");
    if (given === null || !isSame(given, token)) return { is: "no-token" };
    // The token leaves the address. `Lax`: a link in a mail or a terminal opens the page, too.
    return { is: "token-given", cookie: `${COOKIE}=${cookie}; HttpOnly; SameSite=Lax; Path=/` };
  }
}

/** Throws `invalid-options` if a page at this address with this token would be open to strangers. */
export function checkToken(host: string, token: string | undefined): void {
  if (token === undefined && !isLoopbackHost(host))
    throw new StanzapackError("invalid-options", `the dashboard at ${host} needs a token`, {
      mend: "Name a file with a token of at least 16 characters in `dashboard.tokenFile`, or serve it at 127.0.0.1.",
    });
  if (token !== undefined && token.length < MIN_TOKEN_CHARS)
    throw new StanzapackError(
      "invalid-options",
      `the dashboard's token has ${token.length} characters, and needs ${MIN_TOKEN_CHARS} or more`,
      { mend: "Make one by `openssl rand -hex 16`." },
    );
}

/** In a time that does not tell where the texts differ. */
function isSame(given: string, right: string): boolean {
  const digest = (text: string): Buffer => createHmac("sha256", COOKIE).update(text).digest();
  return timingSafeEqual(digest(given), digest(right));
}

function nameOf(host = ""): string {
  return /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(host)?.[1] ?? "";
}

function readCookie(header = ""): string {
  const pairs = header.split(";").map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1) ?? "";
}
