import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NothingToRun, parseOptions } from "./options.js";

let said = "";
beforeEach(() => {
  said = "";
  const record = (text: string | Uint8Array): boolean => ((said += String(text)), true);
  vi.spyOn(process.stderr, "write").mockImplementation(record);
  vi.spyOn(process.stdout, "write").mockImplementation(record);
});
afterEach(() => void vi.restoreAllMocks());

function exitCodeOf(...args: string[]): number {
  try {
    parseOptions(args);
  } catch (error) {
    if (error instanceof NothingToRun) return error.exitCode;
    throw error;
  }
  throw new Error("it would run");
}

describe("parseOptions", () => {
  test("has defaults", () => {
    expect(parseOptions([])).toEqual({
      server: "prosody",
      transport: "tcp",
      compress: false,
      for: undefined,
      json: false,
    });
  });

  test("reads everything", () => {
    expect(
      parseOptions(["--server", "ejabberd", "--transport=tcp", "--compress", "--for", "1.5s", "--json"]),
    ).toEqual({
      server: "ejabberd",
      transport: "tcp",
      compress: true,
      for: 1_500,
      json: true,
    });
  });

  test.each([
    [["--compress", "--transport", "bosh"]],
    [["--compress", "--transport", "websocket"]],
    [["--transport", "pigeon"]],
    [["--server", "other"]],
    [["--for", "20"]],
    [["--for", "0s"]],
    [["--for", "9999h"]],
    [["--for"]],
    [["more"]],
  ])("%j is wrong usage", (args) => {
    expect(exitCodeOf(...args)).toBe(2);
    expect(said.trimEnd().split("\n").pop()).toMatch(/^stanzapack: usage: /);
  });

  test("help names what there is", () => {
    expect(exitCodeOf("--help")).toBe(0);
    for (const word of ["--server", "--transport", "--compress", "--for", "--json", "websocket", "bosh"])
      expect(said).toContain(word);
  });
});
