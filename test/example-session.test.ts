import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatSession } from "./support/example-session/page.js";
import { playSession } from "./support/example-session/script.js";
import { SERVERS } from "./support/stack.js";

const PAGE = new URL("../docs/reference/example-session.md", import.meta.url);
const SECTION = /(<!-- session: [^\n]*-->\n\n)([^]*?)(\n\n<!-- \/session -->)/;

describe("docs/reference/example-session.md", () => {
  it.each(SERVERS)("has the session as it passes through %s", async (server) => {
    const played = formatSession(await playSession(server));
    const page = readFileSync(PAGE, "utf8");
    expect(page).toMatch(SECTION);
    // Only Prosody's session is written. ejabberd's must then be the same.
    if (process.env["UPDATE_DOCS"] === "1" && server === "prosody") {
      const made = (_: string, open: string, __: string, end: string): string => open + played + end;
      writeFileSync(PAGE, page.replace(SECTION, made));
    } else expect(played).toBe(SECTION.exec(page)?.[2]);
  });
});
