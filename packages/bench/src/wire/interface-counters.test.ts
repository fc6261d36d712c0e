import { expect, test } from "vitest";
import { parseInterfaceCount } from "./interface-counters.js";

const TEXT = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
 wire0: 1045746     693    0    0    0     0          0         0    14000     212    0    0    0     0       0          0
`;

test("counts IP packets without their Ethernet headers", () => {
  expect(parseInterfaceCount(TEXT, "wire0")).toEqual({ down: 1_045_746 - 14 * 693, up: 14_000 - 14 * 212 });
});

test("knows no other interface", () => {
  expect(parseInterfaceCount(TEXT, "wire")).toBeUndefined();
});
