import { StanzapackError, ERRORS, errorCodeOf } from "../base/errors.js";
import { DEFAULT_LIMITS, type Limits } from "../base/limits.js";
import { clip, MAX_CALL_ID_BYTES, MAX_NODE_CHARS, MAX_UINT32, millis, uint, utf8 } from "./frame-elements.js";
import type { FrameFields } from "./frame-fields.js";
import { FRAME, MAX_ALIAS, type CallFrame, type ResultFrame } from "./frames.js";

/** Returns the elements of CALL. Throws `internal` for an id or a method that no peer would accept. */
export function callElements(frame: CallFrame): readonly unknown[] {
  const { alias, call, id, timeoutMs, caller } = frame;
  if (id.length === 0 || id.length > MAX_CALL_ID_BYTES)
    throw new StanzapackError("internal", `the id of a call has ${id.length} bytes`);
  const head = [
    FRAME.CALL,
    uint(alias, "alias", MAX_ALIAS),
    frame.again ? 1 : 0,
    uint(call, "call", MAX_UINT32),
    id,
    millis(timeoutMs),
    caller === null ? null : utf8(caller, "caller"),
  ];
  if (frame.again) return head;
  const { method, args } = frame;
  if (method === "" || method.length > DEFAULT_LIMITS.maxMethodChars)
    throw new StanzapackError("internal", `a method's name of ${method.length} characters`);
  return [...head, utf8(method, "method"), args];
}

/** Returns the elements of RESULT. */
export function resultElements(frame: ResultFrame): readonly unknown[] {
  const call = uint(frame.call, "call", MAX_UINT32);
  if (frame.ok) return [FRAME.RESULT, call, 0, frame.result];
  const { code, text, retryAfterMs } = frame;
  const retryAfter = retryAfterMs === null ? null : millis(retryAfterMs);
  return [FRAME.RESULT, call, 1, ERRORS[code].wire, clip(text), retryAfter];
}

/** Reads CALL; the caller checks that the frame ends there. Throws `malformed` or `limit-exceeded`. */
export function decodeCall(f: FrameFields, limits: Limits): CallFrame {
  f.name = "CALL";
  const alias = f.alias();
  const again = f.uint(1) === 1;
  const head = {
    ...{ type: "call" as const, alias, call: f.uint(MAX_UINT32) },
    ...{ id: f.bytesWithin(MAX_CALL_ID_BYTES), timeoutMs: f.uint() },
    caller: f.orNil(() => f.text(MAX_NODE_CHARS)),
  };
  if (head.id.length === 0) throw f.wrong("the id of a call is empty");
  if (again) return { ...head, again };
  const method = f.text(limits.maxMethodChars);
  if (method === "") throw f.wrong("a method has no name");
  return { ...head, again, method, args: f.row(limits) };
}

/** Reads RESULT; the caller checks that the frame ends there. Throws `malformed` or `limit-exceeded`. */
export function decodeResult(f: FrameFields, limits: Limits): ResultFrame {
  f.name = "RESULT";
  const call = f.uint(MAX_UINT32);
  if (f.uint(1) === 0) return { type: "result", call, ok: true, result: f.row(limits) };
  return {
    ...{ type: "result", call, ok: false, code: errorCodeOf(f.uint()) },
    ...{ text: f.text(limits.maxTextChars), retryAfterMs: f.uintOrNil() },
  };
}
