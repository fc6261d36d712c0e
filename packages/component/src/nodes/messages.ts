import { decode, encode } from "@msgpack/msgpack";

/** New updates of a service, from its owner to the nodes that follow it. The owner has stored them, if it stores any. */
export interface LiveUpdates {
  readonly fence: number;
  readonly epoch: number;
  /** The service's highest offset before these updates. */
  readonly before: number;
  /** See `Arrival`. */
  readonly from: number;
  readonly to: number;
  readonly rows: readonly Uint8Array[];
  /** Time of each row, in ms since 1970. */
  readonly ats: readonly number[];
  /** When the rows arrived, in ms since 1970. */
  readonly cameAt: number;
}

export function encodeLive({ fence, epoch, before, from, to, rows, ats, cameAt }: LiveUpdates): Uint8Array {
  return encode([fence, epoch, before, from, to, rows, ats, cameAt]);
}

export function decodeLive(bytes: Uint8Array): LiveUpdates {
  const [fence, epoch, before, from, to, rows, ats, cameAt] = decode(bytes) as [
    ...[number, number, number, number, number],
    ...[Uint8Array[], number[], number],
  ];
  return { fence, epoch, before, from, to, rows, ats, cameAt };
}

/** A message from one node to another. `from`: the sender's domain. */
export type NodeMessage = { readonly from: string } & (
  | {
      /** The sender follows these services. It says so again every few seconds. */
      readonly type: "follow";
      readonly demands: readonly (readonly [node: string, subscribers: number, windowMs: number | null])[];
    }
  /** The sender asks how a service stands, and follows it. */
  | { readonly type: "ask"; readonly request: number; readonly node: string }
  | ({ readonly type: "state"; readonly request: number } & (
      | ({ readonly found: true } & ServiceState)
      /** The sender does not own the service. */
      | { readonly found: false; readonly node: string }
    ))
  /** The sender follows this service no more. */
  | { readonly type: "unfollow"; readonly node: string }
  /** The sender asks whether the publisher of a service lives. */
  | { readonly type: "verify"; readonly request: number; readonly node: string }
  | { readonly type: "verified"; readonly request: number; readonly isAlive: boolean }
  /** The sender calls a service for one of its clients. */
  | {
      readonly type: "call";
      readonly node: string;
      readonly call: number;
      readonly id: Uint8Array;
      readonly caller: string;
      readonly timeoutMs: number;
      /** Undefined: only the result of an earlier call is asked for. */
      readonly method: string | undefined;
      readonly args: Uint8Array | undefined;
    }
  /** The result of a call, as a RESULT frame has it. */
  | { readonly type: "result"; readonly node: string; readonly call: number; readonly frame: unknown }
  /** An account of the sender asks to subscribe. */
  | { readonly type: "question"; readonly node: string; readonly asker: string }
  /** The publisher has denied it. An approval shows in the catalogue. */
  | { readonly type: "denied"; readonly node: string; readonly asker: string }
);

/** Where a service stands at its owner. */
export interface ServiceState {
  readonly node: string;
  readonly fence: number;
  readonly epoch: number;
  readonly baseAt: number;
  readonly offset: number;
  /** The newest row, and its time in ms since 1970. Null: there is none. */
  readonly row: Uint8Array | null;
  readonly at: number;
  /** Others subscribed before, and the publisher has answered their demand. */
  readonly isLive: boolean;
}

export function encodeMessage(message: NodeMessage): Uint8Array {
  return encode(message, { ignoreUndefined: true });
}

export function decodeMessage(bytes: Uint8Array): NodeMessage {
  return decode(bytes) as NodeMessage;
}
