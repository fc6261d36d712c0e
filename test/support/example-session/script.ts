import { configSchema } from "@stanzapack/component";
import { until } from "@stanzapack/testkit";
import { encodeUpdate, DEFAULT_LIMITS, type DataFrame } from "@stanzapack/wire";
import { formatForm, NS, parseForm, xml, type Element } from "@stanzapack/xmpp";
import { HELLO } from "../raw-link.js";
import { openRawStream } from "../raw-stream.js";
import { startStack, type Stack, type SERVERS } from "../stack.js";
import { Party, type Entry } from "./party.js";

/** One exchange: its stanzas, and the page's text about it. */
export interface Step {
  readonly title: string;
  readonly text: string;
  readonly entries: readonly Entry[];
}

const NODE = "alice@localhost/temp";
/** Incarnation of Alice's outbox. A real program draws it at random. */
const INCARNATION = 48_879;
/** In seconds. No client is asked for an acknowledgement, unless a step lowers the limit. */
const NEVER_SECONDS = 100_000;
const LIMITS = { unackedSeconds: NEVER_SECONDS, silentSeconds: NEVER_SECONDS };

const pubsub = (...children: Element[]): Element => xml("pubsub", NS.PUBSUB, ...children);
const owned = (...children: Element[]): Element => xml("pubsub", NS.PUBSUB_OWNER, ...children);
const configuration = (fields: Record<string, string>): Element =>
  formatForm("submit", NS.PUBSUB_NODE_CONFIG, fields);
const options = (fields: Record<string, string>): Element =>
  formatForm("submit", NS.PUBSUB_SUBSCRIBE_OPTIONS, fields);

function update(from: number, values: readonly number[], spanMs: number): DataFrame {
  const payload = Uint8Array.from(values.flatMap((value) => [...encodeUpdate(value, DEFAULT_LIMITS)]));
  const to = from + values.length - 1;
  return {
    ...{ type: "data", alias: 0, form: "rows", epoch: INCARNATION, from, to, at: 0, spanMs },
    payload,
  };
}

/** Plays the session through its own server. */
export async function playSession(server: (typeof SERVERS)[number]): Promise<Step[]> {
  const stack = await startStack(server, ["alice", "bob"], { limits: LIMITS });
  const streams = [await openRawStream(stack, "alice", ""), await openRawStream(stack, "bob", "")] as const;
  try {
    const [alice, bob] = streams;
    return await play(
      stack,
      new Party("Alice", alice, stack.domain, "a-link"),
      new Party("Bob", bob, stack.domain, "b-link"),
    );
  } finally {
    for (const stream of streams) stream.close();
    await stack.stop();
  }
}

async function play(stack: Stack, alice: Party, bob: Party): Promise<Step[]> {
  const bobJid = "bob@localhost/r";
  const steps: Step[] = [];
  /** Makes a step. The stanzas of `first` stand first, since stanzas of two sessions have no order. */
  const step = async (title: string, text: string, first: Party, act: () => Promise<void>): Promise<void> => {
    await act();
    const second = first === alice ? bob : alice;
    steps.push({ title, text, entries: [...first.take(), ...second.take()] });
  };
  const open = async (party: Party): Promise<void> => {
    const open = { xmlns: NS.IBB, sid: party.sid, "block-size": "65535", stanza: "message" };
    party.ask("set", xml("open", open));
    await party.receives(2);
    party.sendFrames(HELLO);
  };
  const close = async (party: Party): Promise<void> => {
    party.sendFrames({ type: "bye", code: "stopped", text: "" });
    party.ask("set", xml("close", { xmlns: NS.IBB, sid: party.sid }));
    await party.receives(1);
  };
  /** Makes the component ask Bob's link whether it lives, once data is unacknowledged for this time. */
  const askAfter = (unackedSeconds: number): void => {
    const component = { domain: stack.domain, secret: "unchanged" };
    const { limits, ...config } = configSchema.parse({ component, limits: { ...LIMITS, unackedSeconds } });
    const { host, port } = config.component;
    stack.component.reload({
      ...config,
      limits,
      component: { ...component, host, port },
      log: { level: "silent" },
    });
  };

  await step(
    "Alice opens her link",
    "The component answers the open and sends HELLO. Alice sends HELLO too, and need not wait for the component's. Her " +
      "HELLO lists the two forms of DATA that every program reads, and no capability. So this link has no lean stanzas, " +
      "though the component's HELLO lists them with a tag.",
    alice,
    () => open(alice),
  );
  await step(
    "Alice offers a service",
    "The component binds alias 0 to the service on Alice's link. Window nil in DEMAND means that nobody listens.",
    alice,
    async () => {
      const form = configuration({
        "{urn:stanzapack:0}kind": "value",
        "pubsub#access_model": "open",
        "pubsub#title": "Temperature in the kitchen",
        "{urn:stanzapack:0}incarnation": String(INCARNATION),
      });
      alice.ask("set", pubsub(xml("create", { node: NODE }), xml("configure", {}, form)));
      await alice.receives(2);
    },
  );
  await step("Bob opens his link", "Bob's exchange is the same as Alice's.", bob, () => open(bob));
  await step(
    "Bob looks for services",
    "Bob lists Alice's services, and reads the description of one of them.",
    bob,
    async () => {
      bob.ask("get", xml("query", { xmlns: NS.DISCO_ITEMS, node: "alice@localhost" }));
      await bob.receives(1);
      bob.ask("get", xml("query", { xmlns: NS.DISCO_INFO, node: NODE }));
      await bob.receives(1);
    },
  );
  await step(
    "Bob subscribes",
    "Bob asks for a window of 150 ms and takes 3 rows before he grants more credit. The component grants the next " +
      "rung, 200 ms, and binds alias 0 of Bob's link. Alice learns that one subscriber listens.",
    bob,
    async () => {
      const form = options({
        "pubsub#digest": "1",
        "pubsub#digest_frequency": "150",
        "{urn:stanzapack:0}credit": "3",
      });
      bob.ask("set", pubsub(xml("subscribe", { node: NODE, jid: bobJid }), xml("options", {}, form)));
      await bob.receives(2);
      await alice.receives(1);
    },
  );
  await step(
    "Alice publishes three values",
    "Upward, the epoch is Alice's incarnation and positions are her sequence. Downward, the epoch is the service's, " +
      "positions are its offsets, and `at` counts from BIND's base.",
    alice,
    async () => {
      alice.sendFrames(update(1, [21.5, 21.75, 22], 400));
      await bob.receives(1);
    },
  );
  await step(
    "Alice asks for an acknowledgement",
    "Alice pings her link: the JID is the component's, with her `sid` as the resource. The component sends its ACK before " +
      "it answers, so the answer proves that DATA arrived.",
    alice,
    async () => {
      alice.ask("get", xml("ping", NS.PING), `${stack.domain}/${alice.sid}`);
      await alice.receives(2);
    },
  );
  await step(
    "The component asks whether Bob lives",
    "Bob has not acknowledged DATA for `unackedSeconds`, which is 1 here. The CREDIT counts one stanza with DATA. Bob " +
      "sends ACK, and then answers the ping.",
    bob,
    async () => {
      askAfter(1);
      const ping = await bob.receives(2);
      bob.sendFrames({ type: "ack", stanzas: 1 });
      bob.send(xml("iq", { type: "result", id: ping.attrs["id"] as string }));
      askAfter(NEVER_SECONDS);
    },
  );
  await step(
    "Bob's credit is used up",
    "Alice publishes two values. Bob has received the 3 rows of his credit, so the component sends nothing. Then Bob " +
      "grants credit for 10 rows in all. He receives the newest value: position 4 is conflated. Bob acknowledges both " +
      "stanzas with DATA.",
    alice,
    async () => {
      alice.sendFrames(update(4, [22.25, 22.5], 200));
      await until(() => stack.component.stats().detachments === 1, 5_000, "the component holds values back");
      bob.sendFrames({ type: "credit", alias: 0, total: 10 });
      await bob.receives(1);
      bob.sendFrames({ type: "ack", stanzas: 2 });
    },
  );
  await step(
    "Bob changes his options",
    "A form is complete: a field that the form leaves out has its default. Alice learns the new window.",
    bob,
    async () => {
      const form = options({ "pubsub#digest": "1", "pubsub#digest_frequency": "1000" });
      bob.ask("set", pubsub(xml("options", { node: NODE, jid: bobJid, subid: "1" }, form)));
      await bob.receives(1);
      await alice.receives(1);
    },
  );
  await step("Bob unsubscribes", "Nobody listens any more.", bob, async () => {
    bob.ask("set", pubsub(xml("unsubscribe", { node: NODE, jid: bobJid, subid: "1" })));
    await bob.receives(1);
    await alice.receives(1);
  });
  await step(
    "Alice requires approval",
    "The configuration keeps the fields that the form leaves out.",
    alice,
    async () => {
      const form = configuration({ "pubsub#access_model": "authorize" });
      alice.ask("set", owned(xml("configure", { node: NODE }, form)));
      await alice.receives(1);
    },
  );
  let question: Element | undefined;
  await step(
    "Bob subscribes again, and Alice is asked",
    "Bob sends no options, so he requests the defaults. The subscription is pending.",
    bob,
    async () => {
      bob.ask("set", pubsub(xml("subscribe", { node: NODE, jid: bobJid })));
      await bob.receives(1);
      question = await alice.receives(1);
    },
  );
  await step(
    "Alice allows it",
    "Alice submits the form with the id of the question. Bob receives an event and BIND. Alice sends no value within a " +
      "second of the new DEMAND, so Bob receives the last known value. That stanza is the third with DATA on his link.",
    alice,
    async () => {
      const asked = parseForm(question as Element);
      const fields = { ...Object.fromEntries(asked?.fields ?? []), "pubsub#allow": ["true"] };
      const form = formatForm("submit", NS.PUBSUB_SUBSCRIBE_AUTHORIZATION, fields);
      alice.send(xml("message", { id: question?.attrs["id"] as string }, form));
      await alice.receives(1);
      await bob.receives(3);
      bob.sendFrames({ type: "ack", stanzas: 3 });
    },
  );
  await step(
    "Alice withdraws the service",
    "Bob receives the event of XEP-0060 and the ERROR frame. Alias 1 has ended. His link continues.",
    alice,
    async () => {
      alice.ask("set", owned(xml("delete", { node: NODE })));
      await alice.receives(2);
      await bob.receives(2);
    },
  );
  await step(
    "Both close their links",
    "BYE is the last frame. `stopped` gives up the token of the component's HELLO.",
    bob,
    async () => {
      await close(bob);
      await close(alice);
    },
  );
  return steps;
}
