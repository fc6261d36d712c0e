import {
  formatSelectionFields,
  formatSince,
  isCursorName,
  MAX_WINDOW_MS,
  parseSelectionFields,
  parseSince,
  SELECTION_FIELDS,
  StanzapackError,
  WHOLE,
  type Since,
} from "@stanzapack/wire";
import type { DataForm } from "@stanzapack/xmpp";
import type {
  AskedOptions,
  ChangedOptions,
  GrantedOptions,
  SubscribeOptions,
} from "../options/subscribe-options.js";
import { FIELD } from "./our-fields.js";
import { boolean, checkOwnFields, invalid, single } from "./submissions.js";

/** Returns what a form of subscription options asks for. Without a form: every update at once, whole, from now on. */
export function readSubscribeOptions(form: DataForm | undefined): SubscribeOptions {
  if (form === undefined) return { windowMs: 0, selection: WHOLE, since: undefined, credit: Infinity };
  const cursor = readCursor(form);
  const credit = readCredit(form);
  if (cursor !== undefined && credit === undefined)
    throw invalid(`${FIELD.CURSOR} needs ${FIELD.CREDIT}: the cursor moves as the subscriber gives credit`);
  return { ...readOptions(form), since: readSince(form), credit: credit ?? Infinity, cursor };
}

/**
 * Returns what a change of options asks for. `since` and `cursor` are checked, and then ignored: where in a log the
 * subscription begins was decided before.
 */
export function readChangedOptions(form: DataForm): ChangedOptions {
  readSince(form);
  readCursor(form);
  return { ...readOptions(form), credit: readCredit(form) };
}

function readSince(form: DataForm): Since | undefined {
  const since = single(form, FIELD.SINCE);
  return since === undefined ? undefined : parseSince(since);
}

function readCursor(form: DataForm): string | undefined {
  const cursor = single(form, FIELD.CURSOR);
  if (cursor !== undefined && !isCursorName(cursor))
    throw invalid(
      `${FIELD.CURSOR} \`${cursor.slice(0, 80)}\` is not a name of 1 to 64 characters of A-Z a-z 0-9 . _ -`,
    );
  return cursor;
}

function readCredit(form: DataForm): number | undefined {
  const credit = single(form, FIELD.CREDIT);
  if (credit === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(credit))
    throw invalid(
      `${FIELD.CREDIT} \`${credit.slice(0, 40)}\` is not a whole number of rows from 1 to 999999999`,
    );
  return Number(credit);
}

/**
 * Returns the requested window and selection (XEP-0060 §16.4.2: digest, digest_frequency in ms). A field that the form
 * leaves out has its default.
 */
function readOptions(form: DataForm): AskedOptions {
  checkOwnFields(form, [FIELD.DELIVERY, FIELD.SINCE, FIELD.CURSOR, FIELD.CREDIT, ...SELECTION_FIELDS]);
  const delivery = single(form, FIELD.DELIVERY) ?? "link";
  if (delivery === "event" || delivery === "body")
    throw new StanzapackError(
      "unsupported",
      `delivery \`${delivery}\` is not in this version, only \`link\``,
    );
  if (delivery !== "link") throw invalid(`delivery \`${delivery}\` is not one of link, event, body`);
  return { windowMs: readWindow(form), selection: parseSelectionFields(form.fields) };
}

function readWindow(form: DataForm): number {
  const digest = boolean(form, FIELD.DIGEST);
  const frequency = single(form, FIELD.DIGEST_FREQUENCY);
  if (digest === false || frequency === undefined) return 0;
  const windowMs = /^\d{1,9}$/.test(frequency) ? Number(frequency) : NaN;
  if (!(windowMs <= MAX_WINDOW_MS))
    throw invalid(
      `${FIELD.DIGEST_FREQUENCY} \`${frequency.slice(0, 40)}\` is not a whole number of ms from 0 to ${MAX_WINDOW_MS}`,
    );
  return windowMs;
}

export function formatOptions({
  windowMs,
  selection,
  delivery,
  begun,
  recovered,
}: GrantedOptions): Record<string, string | readonly string[]> {
  return {
    ...(begun === undefined ? {} : { [FIELD.POSITION]: formatSince(begun) }),
    ...(recovered === undefined ? {} : { [FIELD.RECOVERED]: recovered ? "1" : "0" }),
    [FIELD.DIGEST]: windowMs === 0 ? "0" : "1",
    [FIELD.DIGEST_FREQUENCY]: String(windowMs),
    [FIELD.DELIVERY]: delivery,
    ...formatSelectionFields(selection),
  };
}
