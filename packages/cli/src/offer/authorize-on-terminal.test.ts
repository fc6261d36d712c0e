import { expect, test } from "vitest";
import { createAuthorize, prepareMembers } from "./authorize-on-terminal.js";
import { UsageError } from "../base/failure.js";

test("a member is one however the JID is spelt", async () => {
  const members = prepareMembers(["USER1@localhost", "d'artagnan@Example.ORG"]);
  const authorize = createAuthorize(members, (line) => expect.unreachable(line));
  for (const jid of ["user1@localhost", "d\\27artagnan@example.org"])
    expect(await authorize({ jid, node: "a@b/c" })).toBe(true);
});

test("what is no JID is wrong usage", () => {
  for (const member of ["a\u0001@localhost", `${"x".repeat(1_100)}@localhost`, "a@b@c"])
    expect(() => prepareMembers([member]), member).toThrow(UsageError);
});
