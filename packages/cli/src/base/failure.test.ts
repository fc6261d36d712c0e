import { StanzapackError } from "@stanzapack/wire";
import { expect, test } from "vitest";
import { describeFailure, UsageError } from "./failure.js";

test("the last line has the code, and what happened", () => {
  expect(describeFailure(new StanzapackError("withdrawn", "`a@b/c` was withdrawn"))).toMatchObject({
    details: [],
    code: "withdrawn",
    text: expect.stringMatching(/^`a@b\/c` was withdrawn\. /) as string,
  });
  expect(describeFailure(new UsageError("this\n  way"))).toEqual({
    details: [],
    code: "usage",
    text: "this way",
  });
});

test("the advice is for a command, which has ended; what was given with the error stays", () => {
  const lost = describeFailure(new StanzapackError("disconnected", "no link"));
  expect(lost.text).toBe("no link. The connection was lost: run the command again.");
  const told = describeFailure(new StanzapackError("disconnected", "no link", { mend: "Look there." }));
  expect(told.text).toBe("no link. Look there.");
});

test("several faults come before it, one a line", () => {
  const failure = describeFailure(new StanzapackError("invalid-options", "f:1: a: x\nf:2: b: y"));
  expect(failure.details).toEqual(["f:1: a: x", "f:2: b: y"]);
  expect(failure.text).toMatch(/^2 faults, named above\. Mend /);
});

test("a sandbox's log comes before it; an unknown error has its stack there", () => {
  const sandboxError = Object.assign(new Error("prosody ended\nlog 1\nlog 2"), {
    ...{ name: "SandboxError", code: "not-ready" },
  });
  expect(describeFailure(sandboxError)).toEqual({
    ...{ details: ["log 1", "log 2"], code: "not-ready", text: "prosody ended" },
  });
  const unknown = describeFailure(Object.assign(new Error("no\nthing"), { code: "ENOENT" }));
  expect(unknown).toMatchObject({ code: "internal", text: "no thing" });
  expect(unknown.details.length).toBeGreaterThan(0);
});
