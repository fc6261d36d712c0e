import { createInterface } from "node:readline/promises";
import { ReadStream, WriteStream } from "node:tty";
import type { AuthorizeRequest } from "@stanzapack/client";
import { prepareBareJid } from "@stanzapack/xmpp";
import { UsageError } from "../base/failure.js";
import { openTerminal } from "../base/terminal.js";

/** Time for an answer, in ms. Without an answer the command refuses. The subscriber may ask again. */
const ANSWER_MS = 240_000;

/** Prepared JIDs of `--member`, as the component names subscribers. Throws `UsageError`. */
export function prepareMembers(members: readonly string[]): string[] {
  return members.map((member) => {
    try {
      return prepareBareJid(member);
    } catch (error) {
      throw new UsageError(`--member: ${(error as Error).message}`);
    }
  });
}

/**
 * Makes `authorize` of an offer. `members` (prepared JIDs) may subscribe. A person decides about other accounts, on the
 * controlling terminal, one question at a time. Without a terminal the answer is no, and `tell` reports it.
 */
export function createAuthorize(
  members: readonly string[],
  tell: (line: string) => void,
): (request: AuthorizeRequest) => Promise<boolean> {
  let questions: Promise<unknown> = Promise.resolve();
  return async ({ jid, node }) => {
    if (members.includes(jid)) return true;
    const answer = questions.then(() => ask(`May ${jid} subscribe to ${node}? [y/N] `));
    questions = answer;
    const allowed = await answer;
    if (allowed === undefined)
      tell(
        `${jid} may not subscribe to ${node}: there is no terminal for the question; --member ${jid} would allow it`,
      );
    else tell(`${jid} may ${allowed ? "" : "not "}subscribe to ${node}`);
    return allowed === true;
  };
}

/** Asks on the terminal, since stdin has the values. Undefined if there is no terminal. */
async function ask(question: string): Promise<boolean | undefined> {
  const descriptor = openTerminal();
  if (descriptor === undefined) return undefined;
  const input = new ReadStream(descriptor);
  const lines = createInterface({ input, output: new WriteStream(descriptor) });
  try {
    const answer = await lines.question(question, { signal: AbortSignal.timeout(ANSWER_MS) });
    return /^y(es)?$/i.test(answer.trim());
  } catch {
    return false;
  } finally {
    lines.close();
    input.destroy();
  }
}
