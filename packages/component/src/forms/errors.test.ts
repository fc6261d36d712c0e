import {
  codeOfCondition,
  codeOfPubsubCondition,
  ERRORS,
  StanzapackError,
  type ErrorCode,
} from "@stanzapack/wire";
import { formatStanzaError, NS, parseStanzaError, xml, type StanzaError } from "@stanzapack/xmpp";
import { expect, it } from "vitest";
import { toStanzaError } from "./errors.js";

function overTheWire(error: StanzapackError): StanzaError {
  const sent = toStanzaError(error) as StanzaError;
  return parseStanzaError(xml("iq", { type: "error" }, formatStanzaError(sent)));
}

it.each(Object.keys(ERRORS) as ErrorCode[])("whoever reads the error knows that it is `%s`", (code) => {
  const { condition, type, application } = overTheWire(new StanzapackError(code, "so it is"));
  if (application === undefined) expect(codeOfCondition(condition, type).code).toBe(code);
  else if (application.xmlns === NS.PUBSUB_ERRORS) expect(codeOfPubsubCondition(application.name)).toBe(code);
  else expect(application).toMatchObject({ name: code, xmlns: NS.STANZAPACK });
});

it("an error that may be retried is of type `wait`, and says when", () => {
  const store = new StanzapackError("store-failed", "the disk is full", { retryable: true, retryAfterMs: 9 });
  expect(overTheWire(store)).toMatchObject({
    type: "wait",
    application: { name: "store-failed", attrs: { ms: "9" } },
  });
  const busy = new StanzapackError("busy", "too many at once", { retryAfterMs: 9 });
  expect(overTheWire(busy)).toMatchObject({ application: { name: "retry-after", attrs: { ms: "9" } } });
});
