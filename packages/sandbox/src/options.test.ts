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
  ["a misspelt name", { user: 3 } as object],
  ["users that are no list", { users: "ann" } as object],
  ["a local part that is no text", { users: [1] } as object],
  ["a flag that is none", { compress: "yes" } as object],
  ["a signal that is none", { signal: {} } as object],
  ["unknown settings", { settings: "fast" as "stock" }],
])("%s is refused as bad-option", (_, options) => {
  expect(() => resolveOptions({ server: "prosody", ...options } as SandboxOptions)).toThrow(
    expect.objectContaining({ code: "bad-option" }) as Error,
  );
});

test("an account takes what JIDs commonly have", () => {
  expect(createAccount("ann.b_c-1", "localhost").jid).toBe("ann.b_c-1@localhost");
});

test("the text names the option and says what is allowed", () => {
  const text = (options: object): string => {
    try {
      resolveOptions({ server: "prosody", ...options });
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error("the options were accepted");
  };
  expect(text({ timeout: 5 })).toBe("startSandbox: `timeout` is not an option; did you mean `timeoutMs`?");
  expect(text({ server: "openfire" })).toBe(
    'startSandbox: `server` must be "prosody" or "ejabberd", not "openfire"',
  );
  expect(text({ users: 1.5 })).toContain("`users` must be a whole number from 0 to 100,000");
});
