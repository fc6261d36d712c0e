import { randomBytes } from "node:crypto";
import {
  appendAll,
  bareJid,
  formatForm,
  NS,
  parseForm,
  StanzaError,
  xml,
  type Connection,
  type Element,
  type FormField,
} from "@stanzapack/xmpp";
import { HELD, type Holdings, type Purge } from "../admin/purge.js";
import type { Broker } from "../broker/broker.js";
import { accountOf } from "../forms/addresses.js";
import { assertAnswer, toStanzaError, unsupported } from "../forms/errors.js";
import { boolean, invalid, single } from "../forms/submissions.js";
import { attr, type Request } from "./pubsub-request.js";

/** Node of the command, and FORM_TYPE of its forms. */
export const PURGE = `${NS.STANZAPACK}#purge`;
const GET_PENDING = `${NS.PUBSUB}#get-pending`;

/** Names of the fields. They are short, because FORM_TYPE is ours (XEP-0068 §3.1). */
const FIELDS = { account: "accountjid", dryRun: "dry_run" } as const;
const TITLE = "Remove everything that the component keeps of an account";

/** Most entries of one list of an answer, and most bytes of their XML. The counts are of all entries. */
const MAX_LISTED = 100;
const MAX_LISTED_BYTES = 32_768;

const LABELS: Readonly<Record<(typeof HELD)[number], string>> = {
  services: "Services of the account",
  cursors: "Its named cursors",
  subscriptions: "Services that it subscribes to",
  grants: "Services of others that it may subscribe to",
  requests: "Services of others that it has asked for",
};

/** A command, as service discovery names it (XEP-0050 §2.2). */
export interface CommandItem {
  readonly node: string;
  readonly name: string;
}

/**
 * Ad-hoc commands (XEP-0050) for administrators. There is one: `purge`. It has two stages for a person, who fills in a
 * form, and one for a program, which sends the filled form with its first request. The component keeps no sessions:
 * each submission is complete, and is checked by its sender.
 */
export class Commands {
  constructor(
    private readonly broker: Broker,
    private readonly purge: Purge,
    /** Bare JIDs, prepared. Read anew each time, because a reload may change them. */
    private readonly settings: { readonly admins: readonly string[] },
  ) {}

  /** Returns the commands that an account may run. */
  listFor(account: string): readonly CommandItem[] {
    return this.settings.admins.includes(account) ? [{ node: PURGE, name: TITLE }] : [];
  }

  /** Handles the requests of a connection. Returns the undo. */
  register(connection: Connection): () => void {
    return connection.onIq("set", NS.COMMANDS, "command", async (request) => {
      try {
        this.broker.budgets.request(request.from);
        return assertAnswer(await this.answer(request));
      } catch (error) {
        this.broker.refused(request.from, "an ad-hoc command", error);
        throw toStanzaError(error);
      }
    });
  }

  private answer({ from, child }: Request): Element | Promise<Element> {
    const node = attr(child, "node");
    // XEP-0060 §8.7.3.2.
    if (node === GET_PENDING) throw unsupported("get-pending", "publishers are asked by message");
    // XEP-0050 §4.4.
    if (node !== PURGE) throw new StanzaError("item-not-found", "cancel", "there is no such ad-hoc command");
    const admin = bareJid(from);
    if (!this.settings.admins.includes(admin))
      throw new StanzaError(
        "forbidden",
        "auth",
        `${admin} is no administrator of this component: \`admins\` of its config file lists them`,
      );
    const sessionid = attr(child, "sessionid") ?? randomBytes(9).toString("base64url");
    const action = attr(child, "action") ?? "execute";
    if (action === "cancel") return command(sessionid, "canceled");
    if (!["execute", "complete", "next"].includes(action))
      throw refusal(
        action === "prev" ? "bad-action" : "malformed-action",
        `the action \`${action.slice(0, 40)}\` cannot be done here`,
      );
    const form = parseForm(child);
    if (form === undefined)
      return command(sessionid, "executing", [
        // XEP-0050 §3.4.
        xml("actions", { execute: "complete" }, xml("complete")),
        formatQuestion(),
      ]);
    if (form.type === "cancel") return command(sessionid, "canceled");
    if (form.type !== "submit" || form.repeated !== undefined || form.formType !== PURGE)
      throw refusal("bad-payload", `that is no submission of a form with the FORM_TYPE \`${PURGE}\``);
    const named = single(form, FIELDS.account);
    if (named === undefined) throw invalid(`\`${FIELDS.account}\` names no account`);
    const account = accountOf(named);
    // Nothing is removed unless the form says so.
    const isDry = boolean(form, FIELDS.dryRun) ?? true;
    return this.run(sessionid, account, isDry, admin);
  }

  private async run(sessionid: string, account: string, isDry: boolean, admin: string): Promise<Element> {
    const found = isDry ? this.purge.find(account) : await this.purge.run(account, admin);
    const counts = HELD.map((what) => `${found[what].length} ${what}`).join(", ");
    const text = `${isDry ? "The component keeps" : "The component has removed"} of ${account}: ${counts}`;
    return command(sessionid, "completed", [
      xml("note", { type: "info" }, text),
      formatReport(account, isDry, found),
    ]);
  }
}

function command(
  sessionid: string,
  status: "executing" | "completed" | "canceled",
  children: readonly Element[] = [],
): Element {
  return appendAll(xml("command", { xmlns: NS.COMMANDS, node: PURGE, sessionid, status }), children);
}

function formatQuestion(): Element {
  const fields: FormField[] = [
    { var: FIELDS.account, type: "jid-single", label: "Bare JID of the account" },
    { var: FIELDS.dryRun, type: "boolean", label: "Only report, and remove nothing", values: ["1"] },
  ];
  return formatForm("form", PURGE, fields, {
    title: TITLE,
    instructions:
      "Delete or block the account at its server first: a program that is still logged in may come back.",
  });
}

function formatReport(account: string, isDry: boolean, found: Holdings): Element {
  return formatForm("result", PURGE, [
    { var: FIELDS.account, type: "jid-single", values: [account] },
    { var: FIELDS.dryRun, type: "boolean", values: [isDry ? "1" : "0"] },
    ...HELD.flatMap((what): FormField[] => [
      { var: `${what}_count`, type: "text-single", values: [String(found[what].length)] },
      { var: what, type: "text-multi", label: LABELS[what], values: clip(found[what]) },
    ]),
  ]);
}

/** Returns the first of the names: as many as an answer may have. */
function clip(names: readonly string[]): readonly string[] {
  let bytes = 0;
  const end = names.slice(0, MAX_LISTED).findIndex((name) => {
    bytes += Buffer.byteLength(xml("value", {}, name).toString());
    return bytes > MAX_LISTED_BYTES;
  });
  return names.slice(0, end < 0 ? MAX_LISTED : end);
}

/** XEP-0050 §4.4. */
function refusal(name: "bad-action" | "malformed-action" | "bad-payload", text: string): StanzaError {
  return new StanzaError("bad-request", "modify", text, { name, xmlns: NS.COMMANDS });
}
