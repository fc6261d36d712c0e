import { XmppError } from "../base/errors.js";
import type { FastTokens } from "../login/fast-tokens.js";
import type { Exchange, Login } from "../login/login.js";
import * as NS from "../base/namespaces.js";
import { createSasl2, formatBind2 } from "../login/sasl2.js";
import type { Established, Stream } from "./stream.js";
import { isSameResource, quote, refusedResource, toBindError } from "./resource-binding.js";
import { parseSaslFailure, parseStreamError, toXmppError } from "../stanzas/stream-errors.js";
import { ENABLE, type StreamManagement } from "./stream-management.js";
import type { TlsOptions } from "../transports/stream-socket.node.js";
import { escapeText, xml, type Element } from "../xml/xml.js";

export interface NegotiationOptions {
  readonly login: Login;
  readonly requireTls: boolean;
  readonly compress: boolean;
  readonly tls: TlsOptions;
  /** Domain of the account, as in JIDs. `tls` has the same domain in ASCII. */
  readonly domain: string;
  readonly resource: string;
  /** False: the server may make a resource with the login (XEP-0386), if it makes a short one. */
  readonly isResourceGiven: boolean;
  readonly tokens: FastTokens;
  /** The full JID of the session to resume. */
  readonly jid: string;
  readonly management: StreamManagement | undefined;
  /** A session to resume, if there is one, began on a stream of the same kind. */
  readonly mayResume: boolean;
  readonly onEstablished: (established: Established) => void;
}

const BIND_ID = "bind";

/**
 * Negotiates a stream from its header to a bound or resumed session: STARTTLS, SASL, compression, resumption, binding
 * (RFC 6120 §4.3, XEP-0138, XEP-0198 §3 and §5). With SASL2 it uses as few steps as the server offers (XEP-0388,
 * XEP-0386). Resolves when the login begins. Until then the peer has received no secret, and another service may be
 * tried.
 *
 * This package does not use the negotiation of xmpp.js. That one sends no server name in TLS, and accepts no
 * certificate authority. It does not check that the server knows the password, and its queue for Stream Management has
 * no bound.
 */
export function negotiate(stream: Stream, options: NegotiationOptions): Promise<void> {
  let onLogIn: () => void = () => undefined;
  const loggingIn = new Promise<void>((resolve) => (onLogIn = resolve));
  const { management } = options;
  let exchange: Exchange | undefined;
  let authenticated = false;
  let features: Element | undefined;
  let featuresDue = true;
  /**
   * The request that the server must answer next. An attacker between us and the server must not lead us past TLS or
   * the login by answers alone.
   */
  let asked: "starttls" | "login" | "compress" | "resume" | "bind" | undefined;
  /** The JID that the server bound with the login. The stream's features are still to arrive. */
  let boundJid: string | undefined;

  const establish = (jid: string, resumed: boolean, first: string): void => {
    options.onEstablished({ stream, jid, resumed, first });
  };

  const onFeatures = (element: Element): void => {
    // RFC 6120 §4.3.2: once for each header. We answer each, so endless features would make us write endlessly.
    if (!featuresDue) {
      stream.fail(new XmppError("protocol", "the server sent its features again"), "policy-violation");
      return;
    }
    featuresDue = false;
    features = element;
    const mechanisms = element.getChild("mechanisms", NS.SASL);
    const authentication = element.getChild("authentication", NS.SASL2);
    const { socket } = stream;
    // XEP-0206 §3, RFC 7395 §3.9: over BOSH and WebSocket, HTTP uses TLS and the stream does not.
    const canStartTls = !socket.secure && socket.startTls !== undefined;
    if (canStartTls && element.getChild("starttls", NS.TLS) !== undefined) {
      asked = "starttls";
      stream.write(`<starttls xmlns='${NS.TLS}'/>`);
    } else if (!socket.secure && options.requireTls) {
      stream.fail(new XmppError("tls", "the server offers no TLS, and TLS is required"));
    } else if (authenticated && options.compress && !stream.socket.compressed) {
      compress(element);
    } else if (boundJid !== undefined) {
      begin(boundJid);
    } else if (authenticated) {
      resumeOrBind(element);
    } else if (authentication !== undefined && stream.socket.secure && sasl2.begin(authentication)) {
      onLogIn();
    } else if (mechanisms !== undefined) {
      logIn(mechanisms).catch(onError);
    } else {
      stream.fail(new XmppError("auth", "the server offers no way to log in"));
    }
  };

  const onError = (error: unknown): void => {
    stream.fail(toXmppError(error, "stream"));
  };

  const respond = async (name: "auth" | "response", { mechanism }: Exchange): Promise<void> => {
    const response = btoa(await mechanism.response(options.login.credentials));
    // RFC 6120 §6.4.2, §6.4.3: `<response/>` has no mechanism.
    const attrs = name === "auth" ? { mechanism: mechanism.name } : {};
    stream.write(xml(name, { xmlns: NS.SASL, ...attrs }, response).toString());
  };

  const logIn = async (mechanisms: Element): Promise<void> => {
    const offered = mechanisms.getChildren("mechanism").map((mechanism) => mechanism.text());
    exchange = options.login.pick(offered, stream.socket.secure);
    if (exchange === undefined) {
      throw new XmppError("auth", `no acceptable way to log in among: ${offered.join(", ")}`);
    }
    onLogIn();
    asked = "login";
    await respond("auth", exchange);
  };

  /** RFC 6120 §6.4. */
  const onSasl = async (element: Element): Promise<void> => {
    if (exchange === undefined || asked !== "login") return refuse(element);
    switch (element.name) {
      case "challenge":
        exchange.mechanism.challenge(atob(element.text()));
        return respond("response", exchange);
      case "success":
        asked = undefined;
        if (!exchange.verify(element.text())) {
          throw new XmppError("auth", "the server could not prove that it knows the password");
        }
        authenticated = true;
        featuresDue = true;
        await stream.entity.restart();
        return;
      case "failure":
        throw parseSaslFailure(element);
    }
  };

  const sasl2 = createSasl2({
    login: options.login,
    tokens: options.tokens,
    write: (text) => {
      stream.write(text);
    },
    onFailure: (reason) => {
      stream.fail(reason);
    },
    inline(offered) {
      // Compression begins a new stream between login and session, so no session can be requested yet.
      if (options.compress) return "";
      const resumes = options.mayResume && management?.resumable === true;
      const resume = resumes && offered?.getChild("sm", NS.SM) !== undefined ? management.resume() : "";
      const bind2 = offered?.getChild("bind", NS.BIND2);
      // A session may need a step of its own to be resumed. Binding now would lose that session.
      if (bind2 === undefined || options.isResourceGiven || (resumes && resume === "")) return resume;
      return resume + formatBind2(bind2, management === undefined ? "" : ENABLE);
    },
    onSuccess(element) {
      if (authenticated) {
        stream.fail(new XmppError("protocol", "the server reported a login twice"), "policy-violation");
        return;
      }
      authenticated = true;
      featuresDue = true;
      const resumed = element.getChild("resumed", NS.SM);
      if (resumed !== undefined) {
        onResumed(resumed);
        return;
      }
      if (element.getChild("failed", NS.SM) !== undefined) management?.reset();
      const bound = element.getChild("bound", NS.BIND2);
      if (bound === undefined) return;
      const jid = element.getChildText("authorization-identifier") ?? "";
      if (!jid.includes("/")) {
        stream.fail(new XmppError("protocol", "the server bound a resource, but did not name it"));
        return;
      }
      const enabled = bound.getChild("enabled", NS.SM);
      if (enabled === undefined || management === undefined) {
        boundJid = jid;
        return;
      }
      management.enable();
      management.onNonza(enabled);
      establish(jid, false, "");
    },
  });

  const startTls = async (): Promise<void> => {
    stream.stage = "tls";
    // Unencrypted text after the answer may be an attacker's (CVE-2011-0411 in other protocols).
    stream.discardInput();
    await stream.socket.startTls?.(options.tls);
    stream.stage = "stream";
    featuresDue = true;
    await stream.entity.restart();
  };

  /** XEP-0138 §7, XEP-0170: after SASL, and before a session is bound or resumed. */
  const compress = (element: Element): void => {
    const methods = element.getChild("compression", NS.COMPRESS_FEATURE)?.getChildren("method") ?? [];
    if (!methods.some((method) => method.text() === "zlib")) {
      stream.fail(new XmppError("unsupported", "the server does not offer stream compression (zlib)"));
      return;
    }
    asked = "compress";
    stream.write(`<compress xmlns='${NS.COMPRESS}'><method>zlib</method></compress>`);
  };

  const onCompress = async (element: Element): Promise<void> => {
    if (element.name !== "compressed") {
      // XEP-0138 §3: this is no stream error. The stream could continue, but without the compression that we require.
      stream.fail(new XmppError("unsupported", `the server refused stream compression: ${String(element)}`));
      return;
    }
    // The stream so far is void.
    stream.discardInput();
    stream.socket.startCompression?.();
    featuresDue = true;
    await stream.entity.restart();
  };

  const resumeOrBind = (element: Element): void => {
    if (options.mayResume && management?.resumable === true && element.getChild("sm", NS.SM) !== undefined) {
      asked = "resume";
      stream.write(management.resume());
    } else {
      bind();
    }
  };

  const bind = (): void => {
    management?.reset();
    asked = "bind";
    stream.write(
      `<iq type='set' id='${BIND_ID}'><bind xmlns='${NS.BIND}'>` +
        `<resource>${escapeText(options.resource)}</resource></bind></iq>`,
    );
  };

  const onBound = (iq: Element): void => {
    const jid = iq.getChild("bind", NS.BIND)?.getChildText("jid") ?? "";
    if (iq.attrs["type"] !== "result" || jid === "") return stream.fail(toBindError(iq, options.resource));
    const bound = jid.slice(jid.indexOf("/") + 1);
    if (options.isResourceGiven && !isSameResource(options.resource, bound)) {
      stream.fail(refusedResource(options.resource, `the server gave ${quote(bound)} in its place`));
      return;
    }
    begin(jid);
  };

  const begin = (jid: string): void => {
    management?.reset();
    // Outbound stanzas count from our `<enable/>` on, so there is no need to wait for the answer.
    const offered = features?.getChild("sm", NS.SM) !== undefined;
    establish(jid, false, offered && management !== undefined ? management.enable() : "");
  };

  const onResumed = (element: Element): void => {
    const again = management?.onResumed(element);
    if (again === undefined) {
      management?.reset();
      stream.fail(new XmppError("protocol", "the server resumed with a wrong count"), "undefined-condition");
      return;
    }
    establish(options.jid, true, again);
  };

  const refuse = (element: Element): void => {
    stream.fail(
      new XmppError("protocol", `the server answered without a request: ${element.name}`),
      "policy-violation",
    );
  };

  /** Whether this is the answer that is due. An answer that nobody requested ends the stream. */
  const isDue = (answer: typeof asked, element: Element): boolean => {
    const due = asked === answer;
    asked = undefined;
    if (!due) refuse(element);
    return due;
  };

  stream.route = (element) => {
    if (element.is("error", NS.STREAM)) return stream.fail(parseStreamError(element, "protocol"));
    if (element.is("features", NS.STREAM)) return onFeatures(element);
    switch (element.getNS() ?? "") {
      case NS.TLS:
        if (!isDue("starttls", element)) return;
        if (element.name !== "proceed") {
          stream.fail(new XmppError("tls", "the server refused STARTTLS"));
          return;
        }
        startTls().catch((error: unknown) => {
          stream.fail(toXmppError(error, "tls"));
        });
        return;
      case NS.SASL:
        onSasl(element).catch(onError);
        return;
      case NS.SASL2:
        sasl2.onElement(element).catch(onError);
        return;
      case NS.COMPRESS:
        if (!options.compress || !isDue("compress", element)) return;
        onCompress(element).catch(onError);
        return;
      case NS.SM:
        if (element.name !== "resumed" && element.name !== "failed") return;
        if (!isDue("resume", element)) return;
        if (element.name === "resumed") onResumed(element);
        else bind();
        return;
    }
    if (element.name === "iq" && element.attrs["id"] === BIND_ID && isDue("bind", element)) onBound(element);
  };
  stream.entity.open({ domain: options.domain }).catch(onError);
  return loggingIn;
}
