import { formatClock } from "./format.js";

/** A failure in words: what happened, and what to do. */
export interface Failure {
  readonly text: string;
  readonly advice: string;
}

/** What an error of the client has. */
interface CodedError {
  readonly code: string;
  readonly text: string;
  readonly message: string;
}

/** Who could not do what. */
export interface Attempt {
  readonly jid: string;
  readonly component: string;
}

/** Codes with which a component refuses its own services to an account that is no administrator. */
const NOT_ADMIN = new Set(["not-allowed", "forbidden", "no-such-service", "bad-name"]);

/** Says in words why a login, or a subscription to the component's own services, failed. */
export function describeFailure(error: unknown, { jid, component }: Attempt): Failure {
  const { code, text, message } = toCoded(error);
  if (NOT_ADMIN.has(code))
    return {
      text: `${jid} is no administrator of ${component}.`,
      advice:
        "Add the account to `admins` in the component's config file, and send the component SIGHUP. " +
        "A component of an older version has nothing to show.",
    };
  switch (code) {
    case "auth-failed":
      return { text: "The server refused this JID or password.", advice: "Check both, and try again." };
    case "component-unavailable":
      return {
        text: `The component ${component} does not answer.`,
        advice: "Check that `stanzapack serve` runs, and that it is connected to the XMPP server.",
      };
    case "version-mismatch":
      return {
        text: `This page and the component speak different versions of the protocol. ${text}`,
        advice: "Serve the page of the component's version, then reload.",
      };
    case "unreachable":
      return {
        text: `The XMPP server cannot be reached. ${text}`,
        advice:
          "Check the addresses `dashboard.websocketUrl` and `dashboard.boshUrl` in the component's config file.",
      };
    case "timeout":
      return { text: `Nothing answered in time. ${text}`, advice: "Try again." };
    case "insecure-context":
      return {
        text: "The browser gives no cryptography to this page, so it cannot log in.",
        advice: "Open the page over https: or from localhost.",
      };
    case "invalid-options":
      return { text, advice: "Write the JID as in ann@example.org." };
    case "stopped":
    case "aborted":
      return { text: "You are logged out.", advice: "" };
    default:
      return { text: message, advice: "" };
  }
}

function toCoded(error: unknown): CodedError {
  const message = error instanceof Error ? error.message : String(error);
  const { code = "", text = message } = (error ?? {}) as Partial<CodedError>;
  return { code, text, message };
}

/** Says that the page has lost its link for this reason. `at`: time of what it still shows, in ms since 1970. */
export function describeLoss(reason: string, at: number): string {
  const because = reason === "" ? "" : `: ${reason.replace(/\.$/, "")}`;
  return (
    `The connection to the component is lost${because}. The page connects again by itself. ` +
    `What stands below was so at ${formatClock(at)}.`
  );
}
