import { parseServiceUrl, XmppError } from "@stanzapack/xmpp";
import { describe, expect, test } from "vitest";
import { FIX } from "../base/remedies.js";
import { judgeGzip, judgeSession, readSession } from "./bosh-checks.js";
import { judgeProcesses } from "./component-checks.js";
import { judgeDns, judgeHostMeta } from "./discovery-checks.js";
import { judgeEnd, judgeRate, rateOf } from "./load-checks.js";
import { judgeLogin } from "./transport-checks.js";

describe("discovery", () => {
  const record = (name: string) => ({ name, port: 5222, priority: 0, weight: 0 });

  test("takes SRV records, or the domain itself", () => {
    expect(judgeDns("example.org", [record("xmpp.example.org")], []).found).toBe(
      "SRV records lead to xmpp.example.org:5222",
    );
    expect(judgeDns("example.org", [], []).result).toBe("ok");
  });

  test("finds hosts without an address, and a domain that says no", () => {
    expect(judgeDns("example.org", [record("x.example.org")], ["x.example.org"])).toMatchObject({
      result: "failure",
      found: "no address in DNS for x.example.org",
    });
    expect(judgeDns("example.org", [record(".")], []).result).toBe("warning");
    expect(judgeDns("example.org", [record("")], []).result).toBe("warning");
  });

  test("finds host-meta without WebSocket or BOSH", () => {
    const [websocket, bosh] = ["wss://example.org/ws", "https://example.org/bosh"].map(parseServiceUrl);
    if (websocket === undefined || bosh === undefined) throw new Error("no services");
    expect(judgeHostMeta("example.org", [websocket, bosh], undefined).result).toBe("ok");
    expect(judgeHostMeta("example.org", [websocket], "HTTP status 404")).toEqual({
      result: "warning",
      found: "host-meta of example.org names no BOSH address",
      fix: FIX.hostMeta,
    });
    expect(judgeHostMeta("example.org", [], "HTTP status 404").found).toBe(
      "host-meta of example.org names no WebSocket and no BOSH address (HTTP status 404)",
    );
  });
});

test("a failed login has the remedy of its cause", () => {
  const url = "https://example.org/http-bind";
  expect(judgeLogin("bosh", url, new XmppError("unreachable", "HTTP status 404"))).toEqual({
    ...{ result: "failure", found: `${url}: HTTP status 404`, fix: FIX.bosh },
  });
  expect(judgeLogin("tcp", url, new XmppError("auth", "refused")).fix).toBe(FIX.account);
  expect(judgeLogin("tcp", url, new XmppError("tls", "refused")).fix).toBe(FIX.clientCertificate.untrusted);
});

describe("BOSH", () => {
  test("reads what the server grants", () => {
    const answer = `<body xmlns='http://jabber.org/protocol/httpbind' sid='s' wait="20" hold='1' inactivity='30' requests='2'>`;
    expect(readSession(answer)).toEqual({ wait: 20, hold: 1, requests: 2, inactivity: 30 });
    expect(readSession("<body sid='s' hold='2'/>")).toEqual({
      wait: 30,
      hold: 2,
      requests: 3,
      inactivity: 60,
    });
    expect(readSession("<body type='terminate' condition='host-unknown'/>")).toBeUndefined();
    expect(readSession("<html/>")).toBeUndefined();
  });

  test("warns of polling and of short waits", () => {
    const good = { wait: 30, hold: 1, requests: 2, inactivity: 60 };
    expect(judgeSession(good).result).toBe("ok");
    expect(judgeSession({ ...good, hold: 0 })).toMatchObject({ result: "warning", fix: FIX.boshTimings });
    expect(judgeSession({ ...good, wait: 5 }).result).toBe("warning");
    expect(judgeSession({ ...good, inactivity: 5 }).result).toBe("warning");
  });

  test("warns of gzip that makes answers longer", () => {
    expect(judgeGzip([{ gzip: false, bytes: 900 }]).result).toBe("ok");
    expect(
      judgeGzip([
        { gzip: true, bytes: 420 },
        { gzip: false, bytes: 120 },
      ]).result,
    ).toBe("ok");
    expect(
      judgeGzip([
        { gzip: true, bytes: 420 },
        { gzip: true, bytes: 150 },
      ]),
    ).toMatchObject({
      result: "warning",
      fix: FIX.gzipSmall,
    });
  });
});

test("two processes of one domain are a failure", () => {
  expect(judgeProcesses("s.test", 1).result).toBe("ok");
  expect(judgeProcesses("s.test", 2)).toMatchObject({ result: "failure", fix: FIX.balancing });
  expect(judgeProcesses("s.test", 0).result).toBe("ok");
});

describe("the rate", () => {
  test("is all that was read, over the time that it took", () => {
    expect(rateOf([100, 200, 500], 3, 8_000, 6_000)).toEqual({ bytesPerSecond: 48_000, complete: true });
  });

  test("is that of the second half, after the burst, if not all was read", () => {
    // A burst of two chunks, then one a second.
    const arrivals = [5, 10, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000];
    expect(rateOf(arrivals, 32, 8_000, 6_000)).toEqual({ bytesPerSecond: 8_000, complete: false });
    expect(rateOf([], 32, 8_000, 6_000)).toEqual({ bytesPerSecond: 0, complete: false });
  });

  test("that ends the stream has the remedy of its cause", () => {
    const large = new XmppError("protocol", "XML stanza is too big", { condition: "policy-violation" });
    expect(judgeEnd(large)).toMatchObject({ result: "failure", fix: FIX.stanzaSize });
    expect(judgeEnd(new XmppError("disconnected", "gone")).fix).toBe(FIX.rate);
  });

  test("below the usual need is a warning, and below the load of the user a failure", () => {
    const slow = { bytesPerSecond: 10_000, complete: false };
    expect(judgeRate(slow, undefined)).toEqual({
      result: "warning",
      found: "after its burst the server reads about 10 kB/s of one client; a busy publisher needs 64 kB/s",
      fix: FIX.rate,
    });
    expect(judgeRate(slow, 20_000)).toMatchObject({ result: "failure", fix: FIX.rate });
    expect(judgeRate(slow, 5_000).result).toBe("ok");
    expect(judgeRate({ bytesPerSecond: 900_000, complete: true }, undefined).found).toBe(
      "256 KiB were read at 900 kB/s",
    );
  });
});
