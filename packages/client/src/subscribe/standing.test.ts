import { describe, expect, it } from "vitest";
import { ASKED, follow, type Standing, type StandingEvent } from "./standing.js";

const EVENTS = {
  bound: { type: "bound", alias: 7 },
  granted: { type: "granted", subid: "s" },
  disconnected: { type: "interrupted", away: "disconnected" },
  waiting: { type: "interrupted", away: "waiting" },
  pending: { type: "interrupted", away: "pending" },
  rested: { type: "rested" },
} as const satisfies Record<string, StandingEvent>;

type EventName = keyof typeof EVENTS;

const BOUND = { ...ASKED, alias: 7 };
const GRANTED = { ...ASKED, subid: "s" };
const LIVE = { ...BOUND, subid: "s" };
const DISCONNECTED = { ...ASKED, absence: "disconnected" };
const WAITING = { ...ASKED, absence: "waiting" };
const PENDING = { ...ASKED, absence: "pending", unapproved: true };
const RESTING = { ...ASKED, absence: "resting" };

/** All standings, with the events that lead to them and the standing after each next event. */
const TABLE: Record<string, { by: EventName[]; next: Record<EventName, object> }> = {
  asked: {
    by: [],
    next: {
      ...{ bound: BOUND, granted: GRANTED, rested: RESTING },
      ...{ disconnected: DISCONNECTED, waiting: WAITING, pending: PENDING },
    },
  },
  "bound, not granted": {
    by: ["bound"],
    next: {
      ...{ bound: BOUND, granted: LIVE, rested: RESTING },
      // The approval has come before the answer `pending`.
      ...{ disconnected: DISCONNECTED, waiting: WAITING, pending: BOUND },
    },
  },
  "granted, not bound": {
    by: ["granted"],
    next: {
      ...{ bound: LIVE, granted: GRANTED, rested: RESTING },
      ...{ disconnected: DISCONNECTED, waiting: WAITING, pending: PENDING },
    },
  },
  live: {
    by: ["granted", "bound"],
    next: {
      ...{ bound: LIVE, granted: LIVE, rested: RESTING },
      ...{ disconnected: DISCONNECTED, waiting: WAITING, pending: LIVE },
    },
  },
  disconnected: {
    by: ["bound", "granted", "disconnected"],
    next: {
      ...{ bound: BOUND, granted: { ...DISCONNECTED, subid: "s" }, rested: RESTING },
      ...{ disconnected: DISCONNECTED, waiting: WAITING, pending: PENDING },
    },
  },
  waiting: {
    by: ["waiting"],
    next: {
      ...{ bound: BOUND, granted: { ...WAITING, subid: "s" }, rested: RESTING },
      ...{ disconnected: DISCONNECTED, waiting: WAITING, pending: PENDING },
    },
  },
  pending: {
    by: ["pending"],
    next: {
      bound: { ...BOUND, unapproved: true },
      granted: { ...GRANTED, absence: "pending" },
      rested: { ...RESTING, unapproved: true },
      ...{ disconnected: DISCONNECTED, waiting: WAITING, pending: PENDING },
    },
  },
  "pending, bound": {
    by: ["pending", "bound"],
    next: {
      bound: { ...BOUND, unapproved: true },
      granted: LIVE,
      rested: { ...RESTING, unapproved: true },
      ...{ disconnected: DISCONNECTED, waiting: WAITING, pending: { ...BOUND, unapproved: true } },
    },
  },
  resting: {
    by: ["bound", "granted", "rested"],
    next: {
      ...{ bound: { ...RESTING, alias: 7 }, granted: GRANTED, rested: RESTING },
      ...{ disconnected: DISCONNECTED, waiting: WAITING, pending: PENDING },
    },
  },
};

function after(names: readonly EventName[]): Standing {
  return names.reduce((standing, name) => follow(standing, EVENTS[name]), ASKED);
}

describe.each(Object.entries(TABLE))("a subscription that is %s", (_, { by, next }) => {
  it.each(Object.entries(next))("after `%s`", (name, expected) => {
    expect(after([...by, name as EventName])).toEqual(expected);
  });
});
