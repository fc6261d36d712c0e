import { expect, test } from "vitest";
import { failure, ok, skipped, warning, type Finding } from "./check.js";
import { failedChecks, formatOutcome, formatVerdict, toRow } from "./report.js";
import type { Outcome } from "./runner.js";

const outcome = (id: string, finding: Finding): Outcome => ({ check: { id, side: "client" }, ...finding });
const BOTH = { prosody: "enable `bosh`.", ejabberd: "load `mod_bosh`." };

test("a line has the result, the check and what was found, then a line for each server", () => {
  expect(formatOutcome(outcome("tcp", ok("logged in")))).toBe("ok       tcp                    logged in");
  expect(formatOutcome(outcome("bosh", failure("HTTP status 404", BOTH)))).toBe(
    [
      "failure  bosh                   HTTP status 404",
      "         Prosody: enable `bosh`.",
      "         ejabberd: load `mod_bosh`.",
    ].join("\n"),
  );
});

test("no text of a server reaches the terminal as a command", () => {
  expect(formatOutcome(outcome("tcp", ok("a\u001b[2Jb")))).toContain("a?[2Jb");
});

test("a row has the remedy as one text, or null", () => {
  expect(toRow(outcome("bosh", warning("odd", BOTH)))).toEqual({
    ...{ check: "bosh", side: "client", result: "warning", found: "odd" },
    fix: "Prosody: enable `bosh`. ejabberd: load `mod_bosh`.",
  });
  expect(toRow(outcome("tcp", skipped("no address"))).fix).toBeNull();
});

test("the verdict counts findings, and names the one to begin with", () => {
  const good = [outcome("a", ok("x")), outcome("b", skipped("x"))];
  expect(formatVerdict(good)).toBe("Verdict: nothing to fix; 1 ok, 1 skipped.");
  const odd = [...good, outcome("c", warning("x", "y"))];
  expect(formatVerdict(odd)).toBe("Verdict: 1 warning, 1 ok, 1 skipped. Begin with `c`.");
  const bad = [...odd, outcome("d", failure("x", "y")), outcome("e", failure("x", "y"))];
  expect(formatVerdict(bad)).toBe("Verdict: 2 failures, 1 warning, 1 ok, 1 skipped. Begin with `d`.");
  expect(failedChecks(bad)).toEqual(["d", "e"]);
});
