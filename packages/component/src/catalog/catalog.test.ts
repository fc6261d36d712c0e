import { expect, it } from "vitest";
import { Catalog } from "./catalog.js";
import type { Service } from "./service.js";
import { createService } from "../testing/create-service.js";

function setUp() {
  const catalog = new Catalog();
  const add = (owner: string, name: string): Service => {
    const service = createService({ id: { owner, name } });
    catalog.add(service);
    return service;
  };
  const remove = (service: Service): void => {
    service.withdrawn = true;
    catalog.remove(service);
  };
  return { catalog, add, remove };
}

it("finds services by node, and gives them to their owner alone", () => {
  const { catalog, add } = setUp();
  const service = add("alice@x", "t");
  expect(catalog.find("alice@x/t")).toBe(service);
  expect(catalog.own("alice@x/t", "alice@x")).toBe(service);
  expect(() => catalog.own("alice@x/t", "bob@x")).toThrow(expect.objectContaining({ code: "forbidden" }));
  for (const look of [() => catalog.find("alice@x/u"), () => catalog.own("alice@x/u", "bob@x")])
    expect(look).toThrow(expect.objectContaining({ code: "no-such-service" }));
});

it("tells what a bare JID offers, and lists all in the order of their offers", () => {
  const { catalog, add, remove } = setUp();
  const [a, b, c] = [add("alice@x", "a"), add("bob@x", "b"), add("alice@x", "c")];
  expect([...catalog.ownedBy("alice@x")]).toEqual([a, c]);
  remove(a);
  expect([...catalog.ownedBy("alice@x")]).toEqual([c]);
  const listed = catalog.list.visibleTo("eve@x");
  expect([listed.length, listed.at(0), listed.at(1)]).toEqual([2, b, c]);
  remove(c);
  expect(catalog.ownedBy("alice@x").size).toBe(0);
  expect([...catalog.services.keys()]).toEqual(["bob@x/b"]);
});
