import { NS, xml, type Element } from "@stanzapack/xmpp";
import { expect, it } from "vitest";
import type { Service } from "../catalog/service.js";
import { createService } from "../testing/create-service.js";
import type { AccessModel } from "../options/service-config.js";
import { listAffiliations, readAffiliations } from "./affiliations.js";

function setUp(access: AccessModel) {
  const service = createService({ config: { access } });
  service.record.approved.add("bob@x", Date.now());
  const change = (jid: string, affiliation: string) => {
    const entry = xml("affiliation", { jid, affiliation });
    return readAffiliations(service, xml("affiliations", { node: service.node }, entry), 10);
  };
  return { service, change };
}

function listed(service: Service): string[] {
  const list = listAffiliations(service, xml("pubsub", NS.PUBSUB_OWNER)).getChild("affiliations") as Element;
  return list
    .getChildren("affiliation")
    .map(({ attrs }) => `${String(attrs["jid"])} ${String(attrs["affiliation"])}`);
}

it.each<[AccessModel, string[]]>([
  ["authorize", ["alice@x owner", "bob@x member"]],
  ["whitelist", ["alice@x owner"]],
  ["open", ["alice@x owner"]],
])(
  "under %s an approved account is listed as what it is there, and can be made a member",
  (access, before) => {
    const { service, change } = setUp(access);
    expect(listed(service)).toEqual(before);
    const { members, fault } = change("bob@x", "member");
    expect(fault).toBeUndefined();
    service.record.config = { ...service.config, access: "whitelist", members };
    expect(listed(service)).toEqual(["alice@x owner", "bob@x member"]);
    expect(service.record.mayTake("bob@x")).toBe(true);
  },
);

it("`none` ends an approval also under an access model that does not count it", () => {
  for (const access of ["authorize", "whitelist"] as const)
    expect(setUp(access).change("bob@x", "none")).toMatchObject({ revoked: ["bob@x"], fault: undefined });
});

it("the owner stays the owner, alone", () => {
  const { change } = setUp("open");
  expect(change("alice@x", "owner").fault).toBeUndefined();
  for (const [jid, affiliation] of [
    ["alice@x", "member"],
    ["alice@x", "none"],
    ["bob@x", "owner"],
  ] as const)
    expect(change(jid, affiliation).fault).toMatchObject({ condition: "not-acceptable" });
});

it("§8.9.2: an affiliation that nodes here do not have is named by its feature, and anything else is none", () => {
  const { change } = setUp("open");
  expect(() => change("bob@x", "outcast")).toThrow(
    expect.objectContaining({
      condition: "feature-not-implemented",
      application: expect.objectContaining({ attrs: { feature: "outcast-affiliation" } }),
    }),
  );
  for (const name of ["constructor", "__proto__", "bogus"])
    expect(() => change("bob@x", name)).toThrow(expect.objectContaining({ condition: "bad-request" }));
});
