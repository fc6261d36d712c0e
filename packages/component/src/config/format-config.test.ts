import { expect, it } from "vitest";
import { parse } from "yaml";
import { formatConfig } from "./format-config.js";
import { parseConfig } from "./load-config.js";
import type { ResolvedConfig, ResolvedRedisStore } from "./load-config.js";
import { storeSchema } from "./store-config.js";

const SECRET = "s3cret";
const parsed = parseConfig(`component: {domain: a.b, secret: ${SECRET}}\nadmins: [ann@a.b]\n`, "c.yml");
const redis = storeSchema.parse({ kind: "redis" }) as ResolvedRedisStore;
const config: ResolvedConfig = {
  ...parsed,
  store: { ...redis, password: SECRET, tls: { ca: "PEM" } },
  component: { domain: "a.b", host: "h", port: 1, secret: SECRET, tls: { ca: "PEM" }, secretFile: "c.yml" },
};

it("prints the config in force as YAML, with defaults and without the secret", () => {
  const text = formatConfig(config, "c.yml");
  expect(text).not.toContain(SECRET);
  expect(parse(text)).toMatchObject({
    component: { domain: "a.b", host: "h", port: 1, secret: "(hidden)", tls: { ca: "(read)" } },
    store: { kind: "redis", password: "(hidden)", tls: { ca: "(read)" } },
    admins: ["ann@a.b"],
    limits: { maxLinks: 50_000 },
  });
});

it("names the file that has the secret, if it is another", () => {
  const { component } = parse(formatConfig(config, "other.yml")) as { component: Record<string, unknown> };
  expect(component).toMatchObject({ secretFile: "c.yml" });
  expect(component).not.toHaveProperty("secret");
});
