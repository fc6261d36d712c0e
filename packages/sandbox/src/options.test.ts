import { expect, test } from "vitest";
import { createAccount, resolveOptions } from "./options.js";
import type { SandboxOptions } from "./types.js";

test("defaults: two users, two components, recommended settings, a minute", () => {
  const config = resolveOptions({ server: "prosody" });
  expect(config.accounts.map(({ jid }) => jid)).toEqual(["user0@localhost", "user1@localhost"]);
  expect(config.components.map(({ domain }) => domain)).toEqual(["streams.localhost", "basic.localhost"]);
  expect(config).toMatchObject({ settings: "recommended", timeoutMs: 60_000 });
});

test("accounts in each domain, components below the first", () => {
  const config = resolveOptions({ server: "prosody", domains: ["a.test", "b.test"], users: ["ann"] });
  expect(config.accounts.map(({ jid }) => jid)).toEqual(["ann@a.test", "ann@b.test"]);
  expect(config.components.map(({ domain }) => domain)).toEqual(["streams.a.test", "basic.a.test"]);
});

test("every password and secret is another", () => {
  const { accounts, components } = resolveOptions({ server: "ejabberd", users: 50 });
  const secrets = [...accounts.map(({ password }) => password), ...components.map(({ secret }) => secret)];
  expect(new Set(secrets).size).toBe(52);
});

test.each<[string, Partial<SandboxOptions> | { server: string }]>([
  ["another server", { server: "openfire" }],
  ["a broken count", { users: 1.5 }],
  ["a negative count", { users: -1 }],
  ["a name twice", { users: ["ann", "ann"] }],
  ["a name that is not its prepared form", { users: ["Ann"] }],
  ["a name that would leave its folder", { users: ["../ann"] }],
  ["a name with a quote", { users: ['a"'] }],
  ["a component elsewhere", { components: ["streams.example.org"] }],
  ["a component that would end its line", { components: ['a"b.localhost'] }],
  ["no domain", { domains: [] }],
  ["a domain that may be somebody's", { domains: ["example.org"] }],
  [
    "a component of another of its domains",
    { domains: ["a.test", "b.test"], components: ["streams.b.test"] },
  ],
  ["no port", { federation: { domains: ["b.test"], port: 0 } }],
  ["no time", { timeoutMs: 0 }],
  ["unknown settings", { settings: "fast" as "stock" }],
])("%s is refused as bad-option", (_, options) => {
  expect(() => resolveOptions({ server: "prosody", ...options } as SandboxOptions)).toThrow(
    expect.objectContaining({ code: "bad-option" }) as Error,
  );
});

test("an account takes what JIDs commonly have", () => {
  expect(createAccount("ann.b_c-1", "localhost").jid).toBe("ann.b_c-1@localhost");
});
