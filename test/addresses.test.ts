import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client, ConnectOptions } from "@stanzapack/client";
import { jid, prepareResource } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { plainLogin } from "./support/plain-login.js";
import { SERVERS, startStack, type Stack } from "./support/stack.js";

/**
 * Programs that prepare lines of hex with each server's own library, by Nodeprep and by Resourceprep, and print hex.
 * `-` means that the library refuses the text.
 */
const LIBRARIES = {
  prosody: [
    "lua5.4",
    "-e",
    `package.cpath = "/usr/lib/prosody/?.so;" .. package.cpath
    local prep = require "util.encodings".stringprep
    local function hex(text) return text and text:gsub(".", function (char) return ("%02x"):format(char:byte()) end) or "-" end
    for line in io.lines(os.getenv "LINES_FILE") do
      local text = line:gsub("..", function (digits) return string.char(tonumber(digits, 16)) end)
      print((hex(prep.nodeprep(text))), (hex(prep.resourceprep(text))))
    end`,
  ],
  ejabberd: [
    "erl",
    "-noinput",
    "-eval",
    `application:ensure_all_started(p1_stringprep), stringprep:load_nif(),
    Hex = fun(error) -> "-"; (Text) -> binary:encode_hex(Text) end,
    {ok, Lines} = file:read_file(os:getenv("LINES_FILE")),
    io:put_chars([[Hex(stringprep:nodeprep(Text)), 9, Hex(stringprep:resourceprep(Text)), 10]
      || Line <- binary:split(Lines, <<10>>, [global, trim_all]), Text <- [binary:decode_hex(Line)]]), halt().`,
  ],
} as const;

const hexOf = (text: string): string => Buffer.from(text).toString("hex");

function preparedBy(server: keyof typeof LIBRARIES, texts: readonly string[]): string[][] {
  const folder = mkdtempSync(join(tmpdir(), "stanzapack-addresses-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "lines");
  writeFileSync(file, `${texts.map(hexOf).join("\n")}\n`);
  const [program, ...args] = LIBRARIES[server];
  const env = { ...process.env, LINES_FILE: file };
  const lines = execFileSync(program, args, { env, encoding: "utf8", maxBuffer: 1e8 }).trim().split("\n");
  return lines.map((line) => line.toLowerCase().split("\t"));
}

/** Every code point of these ranges between two letters, and some code points in a row. */
function* samples(): Generator<string> {
  const ranges = [
    [0x80, 0xd7ff],
    [0xe000, 0xffff],
    [0x1d400, 0x1d7ff],
    [0x2f800, 0x2fa1d],
    [0x10400, 0x1044f],
  ] as const;
  for (const [first, last] of ranges)
    for (let code = first; code <= last; code++) {
      yield `a${String.fromCodePoint(code)}b`;
      if (code % 7 === 0) yield `c${String.fromCodePoint(code, Math.min(code + 1, last), 0x301)}`;
    }
}

const PROFILES = [(text: string) => jid(`${text}@x`).local, prepareResource];

/** Compares our preparation with a server's. If both accept a text, both must prepare it alike. */
function compare(server: keyof typeof LIBRARIES) {
  const texts = [...samples()];
  const count = { same: 0, refusedByBoth: 0, refusedByServer: 0, refusedByUs: 0 };
  const others: string[] = [];
  for (const [i, theirs] of preparedBy(server, texts).entries()) {
    const text = texts[i] as string;
    for (const [k, prepare] of PROFILES.entries()) {
      let own = "-";
      try {
        own = hexOf(prepare(text));
      } catch {
        // It stays refused.
      }
      if (own === theirs[k]) count[own === "-" ? "refusedByBoth" : "same"]++;
      else if (theirs[k] === "-") count.refusedByServer++;
      else if (own === "-") count.refusedByUs++;
      else others.push(`${hexOf(text)} ${theirs[k]} ${own}`);
    }
  }
  return { count, others };
}

describe.each(SERVERS)("addresses on %s", (server) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack(server, ["alice", "d\\27artagnan", "strasse"], { domains: ["münchen.test"] });
  });
  afterAll(() => stack.stop());

  const connect = async (user: string, options: Partial<ConnectOptions> = {}): Promise<Client> => {
    const client = await stack.connect(user, options);
    onTestFinished(() => client.close());
    return client;
  };

  it("are prepared as by its own library", () => {
    const { count, others } = compare(server);
    // U+33C6: the two servers prepare it differently.
    expect(others.filter((line) => !line.startsWith("61e38f8662"))).toEqual([]);
    expect(count).toMatchObject({ refusedByUs: 0 });
    expect(count.same).toBeGreaterThan(80_000);
    expect(count.refusedByBoth).toBeGreaterThan(2_000);
  });

  it.each(["url", "websocketUrl", "boshUrl"] as const)(
    "may have a domain of any letters: %s",
    async (way) => {
      const alice = await connect("alice", {
        jid: "ALICE@MÜNCHEN.Test",
        component: "Streams.MÜNCHEN.test",
        url: stack.sandbox[way],
        resource: "ﬁ",
      });
      expect(alice.jid).toBe("alice@münchen.test/fi");
      const temp = await alice.offer("temp");
      const subscription = await alice.subscribe("alice@münchen.test/temp");
      temp.publish(21.5);
      const { value } = await subscription[Symbol.asyncIterator]().next();
      expect(value).toMatchObject({ value: 21.5 });
    },
  );

  it("are one in every spelling", async () => {
    const dartagnan = await connect("d\\27artagnan", { jid: "D'Artagnan@münchen.test" });
    const service = await dartagnan.offer("x", { access: "whitelist", members: ["Straße@MÜNCHEN.Test/any"] });
    const node = "d\\27artagnan@münchen.test/x";
    expect(service.node).toBe(node);

    const strasse = await connect("strasse", { jid: "straße@münchen.test" });
    for (const spelling of [node, "D'Artagnan@MÜNCHEN.TEST/x", "d\\27ARTAGNAN@münchen.test./x"]) {
      const subscription = await strasse.subscribe(spelling);
      expect(subscription.node).toBe(node);
      await subscription.stop();
    }
    const group = await strasse.subscribeAll(["D'ARTAGNAN@MÜNCHEN.test/*", "d'artagnan@münchen.test/x"]);
    expect([...group.subscriptions.keys()]).toEqual([node]);
    expect(await strasse.listServices("D'Artagnan@münchen.test")).toMatchObject([{ node }]);
    const ended = new Promise((resolve) => group.subscriptions.get(node)?.once("ended", resolve));
    await service.revoke("STRASSE@münchen.test");
    expect(await ended).toMatchObject({ code: "not-allowed" });
  });

  it("are the sender's however it logged in, and the component's however it is called", async () => {
    const alice = await connect("alice");
    await alice.offer("mine");
    const { password } = stack.sandbox.accounts[0] as { password: string };
    const plain = await plainLogin(stack.sandbox, {
      user: "ALICE",
      domain: "MÜNCHEN.test",
      resource: "Ｘ",
      password,
    });
    onTestFinished(() => plain.close());
    const ask = (type: string, child: string): Promise<string> =>
      plain.ask(`<iq type='${type}' to='STREAMS.MÜNCHEN.test'>${child}</iq>`);
    const disco = await ask(
      "get",
      "<query xmlns='http://jabber.org/protocol/disco#info' node='ALICE@MÜNCHEN.test/mine'/>",
    );
    // XEP-0030 §3.1: the answer names the node as the request did.
    expect(disco).toMatch(/type=.result/);
    expect(disco).toContain("ALICE@MÜNCHEN.test/mine");
    const withdrawn = await ask(
      "set",
      "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='Alice@münchen.test/mine'/></pubsub>",
    );
    expect(withdrawn).toMatch(/type=.result/);
    await expect(alice.subscribe("alice@münchen.test/mine")).rejects.toMatchObject({
      code: "no-such-service",
    });
  });

  it("with what none may have are refused before they leave, by the option's name", async () => {
    const alice = await connect("alice");
    const invalid = (name: string) => ({
      code: "invalid-options",
      text: expect.stringContaining(name) as string,
    });
    for (const bad of ["a\u0002b@münchen.test", "a@mün chen.test", "שלוםa@münchen.test", "@x", "a@x/"]) {
      await expect(alice.offer("y", { access: "whitelist", members: [bad] }), bad).rejects.toMatchObject(
        invalid("members"),
      );
      await expect(alice.listServices(bad), bad).rejects.toMatchObject(invalid("owner"));
      // Characters that XML forbids are reported before characters that a node may not have.
      const code = bad.includes("\u0002") ? "invalid-options" : "bad-name";
      await expect(alice.subscribe(`${bad}/y`), bad).rejects.toMatchObject({ code });
      await expect(alice.subscribeAll([`${bad}/*`]), bad).rejects.toMatchObject({ code });
      await expect(stack.connect("alice", { jid: bad }), bad).rejects.toMatchObject(invalid("jid"));
    }
    await expect(stack.connect("alice", { resource: "\u0002" })).rejects.toMatchObject(invalid("resource"));
    await expect(stack.connect("alice", { component: "a b" })).rejects.toMatchObject(invalid("component"));
    const service = await alice.offer("y", { access: "whitelist" });
    await expect(service.configure({ members: ["\u0002@x"] })).rejects.toMatchObject(invalid("members"));
    await expect(service.revoke("\u0002@x")).rejects.toMatchObject(invalid("jid"));
    expect(alice.online).toBe(true);
  });
});
