import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { COMPONENT_ECHO, createEchoWindow, type EchoWindow } from "./echo-window.js";
import { xml } from "../xml/xml.js";

const DOMAIN = "streams.example.test";
const QUARTER = "x".repeat(262_144);
let written: string[];
let rooms: number;

function create(): EchoWindow {
  return createEchoWindow(() => DOMAIN, COMPONENT_ECHO, {
    write: (text) => written.push(text),
    onRoom: () => rooms++,
  });
}
const echo = (id: string, from = DOMAIN) => xml("message", { from, to: DOMAIN, id });
const idOf = (text: string): string => /id="(\w+)"/.exec(text)?.[1] ?? "";

beforeEach(() => {
  vi.useFakeTimers();
  written = [];
  rooms = 0;
});
afterEach(() => vi.useRealTimers());

describe("the window of a component", () => {
  it("asks behind a quarter of its window, and has no bound before the first echo", () => {
    const window = create();
    expect(window.outgoing("<message/>")).toBe("<message/>");
    const question = window.outgoing(QUARTER).slice(QUARTER.length);
    expect(question).toMatch(/^<message from="streams.example.test" to="streams.example.test" id="echo1"/);
    for (let i = 0; i < 20; i++) expect(window.outgoing(QUARTER)).toBe(QUARTER);
    expect(window.room).toBe(Infinity);
    // More than a further quarter of the window is out, so the window asks again at once.
    expect(window.onStanza(echo(idOf(question)))).toBe(true);
    expect(window.room).toBe(0);
    expect(written.map(idOf)).toEqual(["echo2"]);
    expect(window.onStanza(echo("echo2"))).toBe(true);
    expect(window.room).toBeGreaterThan(1_000_000);
    expect(rooms).toBe(2);
  });

  it("has no room while an echo is overdue, and gives up one that never comes", () => {
    const window = create();
    window.onStanza(echo(idOf(window.outgoing(QUARTER))));
    window.outgoing(QUARTER);
    expect(window.room).toBeGreaterThan(0);
    vi.advanceTimersByTime(600);
    expect(window.room).toBe(0);
    vi.advanceTimersByTime(9_500);
    expect([window.room, rooms]).toEqual([1_048_576, 2]);
  });

  it("takes only its own messages, and no echo twice or late", () => {
    const window = create();
    const id = idOf(window.outgoing(QUARTER));
    expect(window.onStanza(echo(id, "eve@example.test"))).toBe(false);
    expect(window.onStanza(xml("iq", { from: DOMAIN, id }))).toBe(false);
    expect([window.onStanza(echo("echo9")), rooms]).toEqual([true, 0]);
    expect([window.onStanza(echo(id)), rooms]).toEqual([true, 1]);
    expect([window.onStanza(echo(id)), rooms]).toEqual([true, 1]);
  });

  it("may bound at once, but not when no echo ever comes, and leaves other messages to ourselves alone", () => {
    const policy = { ...COMPONENT_ECHO, atOnce: true };
    const window = createEchoWindow(() => DOMAIN, policy, { write: () => undefined, onRoom: () => rooms++ });
    expect(window.room).toBe(1_048_576);
    window.outgoing(QUARTER.repeat(5));
    expect(window.room).toBe(0);
    expect(window.onStanza(echo("mine"))).toBe(false);
    vi.advanceTimersByTime(10_000);
    expect([window.room, rooms]).toEqual([Infinity, 1]);
    window.reset();
    expect(window.room).toBe(1_048_576);
  });

  it("begins anew with a stream", () => {
    const window = create();
    const id = idOf(window.outgoing(QUARTER));
    window.reset();
    expect([window.onStanza(echo(id)), rooms, window.room]).toEqual([true, 0, Infinity]);
    vi.advanceTimersByTime(20_000);
    expect(rooms).toBe(0);
  });
});
