import { expect, it, vi } from "vitest";
import type { ClientLink } from "./client-link.js";
import { InterruptedLinks } from "./interrupted-links.js";

function createLink(): ClientLink {
  const session = { sentStanzas: 5, acknowledgedStanzas: 3 };
  return { heard: 7, ended: false, closedAt: undefined, session, askAck: vi.fn() } as unknown as ClientLink;
}

function setUp(count: number) {
  const links = Array.from({ length: count }, createLink);
  const verify = vi.fn<(link: ClientLink) => void>();
  const interrupted = new InterruptedLinks(verify);
  interrupted.askAll(links);
  const asked = (): number[] => links.map(({ askAck }) => vi.mocked(askAck).mock.calls.length);
  return { links, verify, interrupted, asked };
}

it("asks a link three times for an acknowledgement, and then whether its client lives, once", () => {
  const { links, verify, interrupted, asked } = setUp(1);
  for (let i = 0; i < 5; i++) interrupted.sweep();
  expect(asked()).toEqual([3]);
  expect(verify.mock.calls).toEqual([[links[0]]]);
});

it("asks no more once everything sent before the first question is acknowledged by something new", () => {
  const { links, verify, interrupted, asked } = setUp(3);
  const [both, heardAlone, acknowledgedAlone] = links as [ClientLink, ClientLink, ClientLink];
  for (const link of [both, heardAlone]) link.heard++;
  for (const { session } of [both, acknowledgedAlone]) Object.assign(session, { acknowledgedStanzas: 5 });
  // These stanzas were sent after the question, and may still be on their way.
  Object.assign(both.session, { sentStanzas: 9 });
  for (let i = 0; i < 5; i++) interrupted.sweep();
  expect(asked()).toEqual([1, 3, 3]);
  expect(verify.mock.calls.flat()).toEqual([heardAlone, acknowledgedAlone]);
});

it("asks no link that has ended, or that its client closed", () => {
  const { links, verify, interrupted, asked } = setUp(2);
  Object.assign(links[0] as ClientLink, { ended: true });
  Object.assign(links[1] as ClientLink, { closedAt: 1 });
  for (let i = 0; i < 5; i++) interrupted.sweep();
  expect(asked()).toEqual([1, 1]);
  expect(verify).not.toHaveBeenCalled();
});

it("asks a thousand links with each sweep, in turn", () => {
  const { interrupted, asked } = setUp(2_500);
  const count = (): number => asked().filter((times) => times === 1).length;
  expect(count()).toBe(1_000);
  interrupted.sweep();
  expect(count()).toBe(2_000);
  interrupted.sweep();
  expect(asked().slice(2_000)).toEqual(Array.from({ length: 500 }, () => 1));
  expect(asked().slice(0, 500)).toEqual(Array.from({ length: 500 }, () => 2));
});
