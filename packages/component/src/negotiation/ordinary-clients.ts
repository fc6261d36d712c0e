import { randomUUID } from "node:crypto";
import {
  wallNow,
  monotonicNow,
  bareJid,
  NS,
  StanzaError,
  xml,
  type Connection,
  type Element,
  type IqHandler,
} from "@stanzapack/xmpp";
import type { Broker } from "../broker/broker.js";
import { countRefusal } from "../base/refusals.js";
import type { ComponentStats } from "../base/stats.js";
import { VERSION } from "../base/version.js";
import { answerPresence, errorAnswer } from "./unknown-addresses.js";
import { toStanzaError } from "../forms/errors.js";
import { HelpAnswers } from "./help-answers.js";

/** Longest thread that an answer repeats, in UTF-16 code units. A longer one names no conversation. */
const MAX_THREAD_CHARS = 1_024;
const DESCRIPTION = "Stanzapack carries compact real-time data streams between programs.";
const HELP =
  `${DESCRIPTION} This address does not chat: browse it with service discovery, or run \`stanzapack services\` ` +
  "to see what is offered here.";

/** Payloads of messages that no person has just written. */
const NO_CHAT: readonly (readonly [name: string, ns: string])[] = [
  ["delay", NS.DELAY],
  ["x", NS.LEGACY_DELAY],
  ["sent", NS.CARBONS],
  ["received", NS.CARBONS],
  ["event", NS.PUBSUB_EVENT],
  ["x", NS.DATA_FORMS],
];

/**
 * Answers what people's clients send to any address: version, card, uptime, time, presence, chat messages. Answers
 * `stanzapack doctor` with an id of this process: two ids of one domain show that two components have it.
 * Returns the undo.
 */
export function registerOrdinaryClients(
  connection: Connection,
  broker: Broker,
  stats: ComponentStats,
  clock: () => number = monotonicNow,
): () => void {
  const startedAt = clock();
  const processId = randomUUID();
  const help = new HelpAnswers();
  const guarded =
    (act: IqHandler): IqHandler =>
    (request) => {
      try {
        broker.budgets.request(request.from);
        return act(request);
      } catch (error) {
        countRefusal(stats, request.from, error);
        throw toStanzaError(error);
      }
    };
  /** Returns whether the budget allows an answer to this stanza. Only an iq must be answered. */
  const inBudget = (from: string): boolean => {
    try {
      broker.budgets.request(from);
      return true;
    } catch (error) {
      // The budgets have counted the stanza. A refusal would be an answer too.
      countRefusal(stats, from, error);
      return false;
    }
  };
  const on = (type: "get" | "set", ns: string, name: string, act: IqHandler) =>
    connection.onIq(type, ns, name, guarded(act));
  const undo = [
    // XEP-0092: the answer does not name the operating system.
    on("get", NS.VERSION, "query", () =>
      xml("query", NS.VERSION, xml("name", {}, "Stanzapack"), xml("version", {}, VERSION)),
    ),
    // XEP-0054 §3.1.
    on("get", NS.VCARD, "vCard", () =>
      xml("vCard", NS.VCARD, xml("FN", {}, "Stanzapack"), xml("DESC", {}, DESCRIPTION)),
    ),
    // XEP-0012 §4: for a component, the time since its start.
    on("get", NS.LAST_ACTIVITY, "query", () =>
      xml("query", { xmlns: NS.LAST_ACTIVITY, seconds: String(Math.floor((clock() - startedAt) / 1_000)) }),
    ),
    // XEP-0202 §3.
    on("get", NS.TIME, "time", () =>
      xml("time", NS.TIME, xml("tzo", {}, "Z"), xml("utc", {}, new Date(wallNow()).toISOString())),
    ),
    on("get", NS.STANZAPACK, "process", () => xml("process", { xmlns: NS.STANZAPACK, id: processId })),
    connection.onOtherIq(
      guarded(({ child }) => {
        const what = `${child.getName()} of ${child.getNS() ?? ""}`.slice(0, 200);
        throw new StanzaError("service-unavailable", "cancel", `Stanzapack does not have ${what}`);
      }),
    ),
    connection.onStanza((stanza) => {
      const { from, to = connection.jid, type } = stanza.attrs as Record<string, string | undefined>;
      if (from === undefined || stanza.is("iq")) return false;
      const answer = stanza.is("presence")
        ? answerPresence(stanza, to, from, type)
        : answerMessage(stanza, from, type);
      if (answer !== undefined && inBudget(from) && (!isHelp(answer) || help.take(bareJid(from), clock())))
        connection.sendElement(answer);
      return true;
    }),
  ];
  return () => {
    for (const off of undo) off();
  };
}

/**
 * Returns the answer to a message: a short text for a person, an error for a room, and nothing for others. Two programs
 * that answer each other would never end.
 */
function answerMessage(message: Element, from: string, type: string | undefined): Element | undefined {
  const { to, id } = message.attrs as Record<string, string | undefined>;
  if ((message.getChildText("body") ?? "") === "" || NO_CHAT.some(([name, ns]) => message.getChild(name, ns)))
    return undefined;
  if (type === "groupchat")
    return errorAnswer(message, new StanzaError("service-unavailable", "cancel", "there are no rooms here"));
  // RFC 6121 §5.2.2: an unknown type is `normal`. A sender without a local part is a server or a component.
  if (type === "error" || type === "headline" || !bareJid(from).includes("@")) return undefined;
  const thread = message.getChildText("thread");
  return xml(
    "message",
    {
      from: to,
      to: from,
      id: id === undefined ? undefined : `help-${id}`,
      type: type === "chat" ? type : undefined,
    },
    xml("body", { "xml:lang": "en" }, HELP),
    ...(thread === null || thread.length > MAX_THREAD_CHARS ? [] : [xml("thread", {}, thread)]),
    // XEP-0334 §4.2: a person who is offline need not read this later.
    xml("no-store", NS.HINTS),
  );
}

function isHelp(answer: Element): boolean {
  return answer.getChild("body") !== undefined;
}
