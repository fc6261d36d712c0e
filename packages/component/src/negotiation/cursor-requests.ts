import { isCursorName, StanzapackError } from "@stanzapack/wire";
import { appendAll, bareJid, childElements, NS, xml, type Connection, type Element } from "@stanzapack/xmpp";
import { whenKnown, type Later } from "../base/later.js";
import type { Broker } from "../broker/broker.js";
import type { Cursor } from "../cursors/cursors.js";
import { targetNamed } from "../forms/addresses.js";
import { assertAnswer, toStanzaError } from "../forms/errors.js";
import { resultSetOf, takePage } from "../forms/result-sets.js";
import { badRequest } from "../forms/submissions.js";
import { attr, type Request } from "./pubsub-request.js";

/**
 * Answers requests for the named cursors of the asker's own account: `get` lists cursors, `set` deletes one of them.
 * XEP-0060 has no such thing: a cursor stands without a session, and has a position and a time. Returns the undo.
 */
export function registerCursorRequests(connection: Connection, broker: Broker): () => void {
  const guarded = (act: (broker: Broker, request: Request) => Later<Element>) => async (request: Request) => {
    try {
      broker.budgets.request(request.from);
      return assertAnswer(await act(broker, request));
    } catch (error) {
      broker.refused(request.from, "a request for cursors", error);
      throw toStanzaError(error);
    }
  };
  const undo = [
    connection.onIq("get", NS.STANZAPACK, "cursors", guarded(list)),
    connection.onIq("set", NS.STANZAPACK, "cursors", guarded(remove)),
  ];
  return () => {
    for (const off of undo) off();
  };
}

/** `node` leaves out the cursors of other services. The list is in pages (XEP-0059). */
function list({ cursors }: Broker, { from, child }: Request): Element {
  const named = attr(child, "node");
  const node = named === undefined ? undefined : targetNamed(named);
  const own = [...cursors.ofOwner(bareJid(from))]
    .filter((cursor) => node === undefined || cursor.node === node)
    .map((cursor) => ({ cursor, uid: uidOf(cursor) }))
    .sort(({ uid: one }, { uid: other }) => (one < other ? -1 : 1));
  const { elements, set } = takePage(
    resultSetOf(own, ({ uid }) => uid),
    child,
    ({ cursor }) => formatCursor(cursor),
  );
  return appendAll(xml("cursors", NS.STANZAPACK), [...elements, ...set]);
}

/** Resolves when the cursor is gone, also on the disk. Throws `no-such-cursor` and `conflict`. */
function remove({ cursors }: Broker, { from, child }: Request): Later<Element> {
  const [element, second] = childElements(child);
  if (element?.getName() !== "delete" || second !== undefined)
    throw badRequest("`cursors` has not exactly one `delete`");
  const [named, name] = [attr(element, "node"), attr(element, "name")];
  if (named === undefined || name === undefined || !isCursorName(name))
    throw badRequest("`delete` has no `node`, or no `name` that a cursor can have");
  const owner = bareJid(from);
  const cursor = cursors.find(targetNamed(named), owner, name);
  if (cursor === undefined)
    throw new StanzapackError(
      "no-such-cursor",
      `${owner} has no cursor \`${name}\` of \`${named.slice(0, 200)}\``,
    );
  return whenKnown(cursors.delete(cursor), () => xml("cursors", NS.STANZAPACK));
}

function uidOf({ node, name }: Cursor): string {
  return `${node} ${name}`;
}

function formatCursor({ node, name, epoch, offset, at, holder }: Cursor): Element {
  return xml("cursor", {
    ...{ node, name, position: `${epoch}:${offset}`, at: new Date(at).toISOString() },
    used: holder === undefined ? "0" : "1",
  });
}
