import { decodeRow, type Value } from "@stanzapack/wire";
import type { CommandRecord } from "./command-record.js";

/** A command that waits for its result. */
export interface Command {
  /** 24 hexadecimal digits. It stays the same through restarts of this program. */
  readonly id: string;
  readonly node: string;
  readonly method: string;
  readonly args: Value;
  /** The expected result. Undefined: any result is fine. */
  readonly expected: Value | undefined;
  /** Time of `call`, in ms since 1970. */
  readonly queuedAt: number;
  /** Time after which it is not sent any more, in ms since 1970. */
  readonly expiresAt: number;
  /** Whether it was sent, so that it may have run. */
  readonly sent: boolean;
}

/** A command in the queue. */
export interface QueuedCommand extends CommandRecord {
  readonly sequence: number;
  /** Bytes in the store. */
  readonly bytes: number;
  /** When it was sent, in ms since 1970. Undefined: it did not run. */
  sentAt: number | undefined;
}

export function describeCommand(command: QueuedCommand): Command {
  const { node, method, args, queuedAt, expiresAt, sentAt } = command;
  return {
    id: nameOf(command),
    ...{ node, method, args: decodeRow(args), expected: expectedOf(command) },
    ...{ queuedAt, expiresAt, sent: sentAt !== undefined },
  };
}

/** The id as text. */
export function nameOf({ id }: Pick<CommandRecord, "id">): string {
  return Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function expectedOf({ expected }: Pick<CommandRecord, "expected">): Value | undefined {
  return expected === undefined ? undefined : decodeRow(expected);
}
