import { describe, expect, it } from "vitest";
import { describeFailure, describeLoss } from "./failure.js";

describe("a failure in words", () => {
  const attempt = { jid: "bob@example.org", component: "streams.example.org" };
  it.each<[string, RegExp]>([
    ["auth-failed", /refused this JID or password/],
    ["not-allowed", /bob@example.org is no administrator/],
    ["no-such-service", /is no administrator of streams.example.org.*`admins`/],
    ["component-unavailable", /streams.example.org does not answer/],
    ["version-mismatch", /different versions of the protocol.*detail/],
    ["unreachable", /cannot be reached.*detail/],
    ["insecure-context", /https:/],
    ["busy", /^whole message/],
  ])("says what %s means", (code, wanted) => {
    const error = Object.assign(new Error("whole message"), { code, text: "detail" });
    const { text, advice } = describeFailure(error, attempt);
    expect(`${text} ${advice}`).toMatch(wanted);
  });
});

it("says why the link is lost, and of when the page is", () => {
  const at = new Date(2026, 0, 1, 14, 5, 9).getTime();
  expect(describeLoss("the server ended.", at)).toMatch(
    /is lost: the server ended\. .* was so at 14:05:09\.$/,
  );
  expect(describeLoss("", at)).toMatch(/is lost\. The page/);
});
