import { wallNow } from "../base/clock.js";
import type { Exchange, Login } from "./login.js";
import { XmppError } from "../base/errors.js";
import { createTokenExchange, type FastToken, type FastTokens } from "./fast-tokens.js";
import * as NS from "../base/namespaces.js";
import { parseSaslFailure } from "../stanzas/stream-errors.js";
import { escapeAttribute, type Element } from "../xml/xml.js";

export interface Sasl2Options {
  readonly login: Login;
  readonly tokens: FastTokens;
  readonly write: (text: string) => void;
  readonly onFailure: (reason: XmppError) => void;
  /**
   * Returns further children of `<authenticate/>`: requests that the server fulfils with the login. `offered` lists
   * what the server offers inline.
   */
  readonly inline: (offered: Element | undefined) => string;
  /** The login succeeded. `element` is the `<success/>`, with the results of the inline requests. */
  readonly onSuccess: (element: Element) => void;
}

/**
 * Extensible SASL Profile (XEP-0388) with FAST (XEP-0484) on one stream. It needs no new stream after the login, and
 * one step can hold several requests.
 */
export interface Sasl2 {
  /** Begins with the best mechanism that the server offers; false when none is acceptable. Call it only over TLS. */
  begin(feature: Element): boolean;
  /** Receives an element of the namespace of SASL2. */
  onElement(element: Element): Promise<void>;
}

export function createSasl2(options: Sasl2Options): Sasl2 {
  const { tokens } = options;
  let feature: Element | undefined;
  let exchange: Exchange | undefined;
  let token: FastToken | undefined;
  /** The server refused a token on this stream. */
  let refused = false;
  /** Mechanism of the token that the server may send. */
  let tokenMechanism: string | undefined;

  const authenticate = async (offered: Element, chosen: Exchange): Promise<void> => {
    const inline = offered.getChild("inline");
    tokenMechanism = tokens.supported(textsOf(inline?.getChild("fast", NS.FAST)));
    const { mechanism } = chosen;
    const first = btoa(await mechanism.response(options.login.credentials));
    options.write(
      `<authenticate xmlns='${NS.SASL2}' mechanism='${mechanism.name}'>` +
        `<initial-response>${first}</initial-response>` +
        `<user-agent id='${tokens.clientId}'><software>Stanzapack</software></user-agent>` +
        (token !== undefined ? `<fast xmlns='${NS.FAST}'/>` : "") +
        (token === undefined && tokens.wanted && tokenMechanism !== undefined
          ? `<request-token xmlns='${NS.FAST}' mechanism='${escapeAttribute(tokenMechanism)}'/>`
          : "") +
        options.inline(inline) +
        `</authenticate>`,
    );
  };

  const choose = (offered: Element): Exchange | undefined => {
    const fast = textsOf(offered.getChild("inline")?.getChild("fast", NS.FAST));
    token = tokens.take(fast, wallNow());
    if (token !== undefined) return createTokenExchange(token);
    return options.login.pick(textsOf(offered), true);
  };

  const onSuccess = (element: Element): void => {
    const proof = element.getChildText("additional-data") ?? "";
    if (exchange?.verify(proof.trim()) !== true) {
      options.onFailure(
        new XmppError("auth", "the server could not prove that it knows the password or token"),
      );
      return;
    }
    tokens.onLogin();
    if (token !== undefined) tokens.giveBack(token);
    const next = element.getChild("token", NS.FAST);
    if (next !== undefined && tokenMechanism !== undefined) tokens.keep(tokenMechanism, next);
    options.onSuccess(element);
  };

  const onFailure = async (element: Element): Promise<void> => {
    const reason = parseSaslFailure(element);
    if (token !== undefined) {
      // XEP-0484 §5.1: forget the token, and log in by another mechanism. XEP-0388 §2.6.2: the stream stays as it
      // was.
      refused = true;
      exchange = feature === undefined ? undefined : choose(feature);
      if (feature !== undefined && exchange !== undefined) return authenticate(feature, exchange);
    }
    // After a refused token, Prosody's module accepts only tokens on this stream. A new connection helps.
    options.onFailure(
      refused && reason.final
        ? new XmppError("disconnected", `the token was refused: ${reason.message}`)
        : reason,
    );
  };

  return {
    begin(offered) {
      feature = offered;
      exchange = choose(offered);
      if (exchange === undefined) return false;
      void authenticate(offered, exchange).catch((error: unknown) => {
        options.onFailure(new XmppError("auth", `the login failed: ${String(error)}`, { cause: error }));
      });
      return true;
    },
    async onElement(element) {
      switch (element.name) {
        case "challenge":
          if (exchange === undefined) return;
          exchange.mechanism.challenge(atob(element.text().trim()));
          options.write(
            `<response xmlns='${NS.SASL2}'>${btoa(await exchange.mechanism.response(options.login.credentials))}</response>`,
          );
          return;
        case "success":
          onSuccess(element);
          return;
        case "failure":
          return onFailure(element);
        case "continue":
          options.onFailure(
            new XmppError("auth", "the server asks for a further step, which this client lacks"),
          );
      }
    },
  };
}

function textsOf(element: Element | undefined): string[] {
  return (element?.getChildren("mechanism") ?? []).map((mechanism) => mechanism.text());
}

/**
 * Returns a request to bind (XEP-0386), with Stream Management if the server offers it inline. Returns "" when the
 * server does not offer a short resource. The server's usual resource is ten characters longer than ours, in every
 * stanza that arrives. Bind 2 saves only one round trip.
 */
export function formatBind2(offered: Element, enable: string): string {
  const inline = offered.getChild("inline");
  const offers = (feature: string): boolean =>
    inline?.getChildren("feature").some((one) => one.attrs["var"] === feature) === true;
  return offers(NS.SHORT_RESOURCE) ? `<bind xmlns='${NS.BIND2}'>${offers(NS.SM) ? enable : ""}</bind>` : "";
}
