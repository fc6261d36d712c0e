import { describe, expect, test } from "vitest";
import { FIX } from "../base/remedies.js";
import { judgeCertificate, type SeenCertificate } from "./certificate.js";
import { judgeClocks, readClock, readUtc } from "./clocks.js";

const NOW = Date.parse("2026-11-30T12:00:00Z");
const remedies = FIX.clientCertificate;

function seen(more: Partial<SeenCertificate["certificate"]> = {}, distrust?: string): SeenCertificate {
  return {
    certificate: {
      subject: { CN: "example.org" },
      subjectaltname: "DNS:example.org, DNS:xmpp.example.org",
      ...{ valid_from: "Nov  1 00:00:00 2026 GMT", valid_to: "Jan 30 00:00:00 2027 GMT" },
      ...more,
    },
    distrust,
  };
}

describe("judgeCertificate", () => {
  const judge = (it: SeenCertificate, names = ["example.org"]) =>
    judgeCertificate("example.org:5222", it, names, NOW, remedies);

  test("accepts a certificate for one of the names", () => {
    expect(judge(seen())).toEqual({
      result: "ok",
      found: "example.org:5222: the certificate is valid until 2027-01-30",
    });
    expect(judge(seen(), ["other.example", "xmpp.example.org"]).result).toBe("ok");
  });

  test.each([
    ["expired", seen({ valid_to: "Nov 29 00:00:00 2026 GMT" }), "expired on 2026-11-29", remedies.expired],
    // OpenSSL names the first fault that it meets.
    [
      "expired and self-signed",
      seen({ valid_to: "Nov 29 00:00:00 2026 GMT" }, "DEPTH_ZERO_SELF_SIGNED_CERT"),
      "expired on 2026-11-29",
      remedies.expired,
    ],
    [
      "of another name",
      seen({ subjectaltname: "DNS:other.example" }),
      "is for other.example",
      remedies.wrongName,
    ],
    [
      "of an unknown authority",
      seen({}, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
      "authority is not trusted (UNABLE_TO_VERIFY_LEAF_SIGNATURE)",
      remedies.untrusted,
    ],
    ["of an expired chain", seen({}, "CERT_HAS_EXPIRED"), "of the chain has expired", remedies.expired],
  ])("fails a certificate that is %s", (_, it, text, fix) => {
    const finding = judge(it);
    expect(finding.result).toBe("failure");
    expect(finding.found).toContain(text);
    expect(finding.fix).toEqual(fix);
  });

  test("fails a certificate of the future, and warns of one that ends soon", () => {
    expect(judge(seen({ valid_from: "Dec  2 00:00:00 2026 GMT" })).found).toContain(
      "not valid before 2026-12-02",
    );
    const soon = judge(seen({ valid_to: "Dec  5 12:00:00 2026 GMT" }));
    expect(soon).toMatchObject({ result: "warning", fix: remedies.expired });
    expect(soon.found).toContain("in 5 days");
  });
});

describe("clocks", () => {
  test("agree within the round trip", () => {
    const readings = ["the server", "the component"].map((it) =>
      readClock(it, NOW + 3_000, NOW, NOW + 6_000),
    );
    expect(judgeClocks(readings)).toEqual({
      result: "ok",
      found: "the clocks of the server and the component agree with this machine's",
    });
    // A slow answer says little: 5 s ahead, and unsure by 4 s.
    expect(judgeClocks([readClock("the server", NOW + 9_000, NOW, NOW + 8_000)]).result).toBe("ok");
  });

  test("warn at some seconds, and fail at a minute", () => {
    expect(judgeClocks([readClock("the server", NOW - 5_000, NOW, NOW)])).toMatchObject({
      result: "warning",
      found: "the clock of the server is 5 s behind this machine's",
    });
    const hour = [
      readClock("the server", NOW, NOW, NOW),
      readClock("the component", NOW + 3_600_000, NOW, NOW),
    ];
    expect(judgeClocks(hour)).toMatchObject({
      result: "failure",
      found: "the clock of the component is 3,600 s ahead of this machine's; the clock of the server agrees",
    });
  });

  test("are read with and without the fraction of a second", () => {
    expect(readUtc("x", "2026-11-30T12:00:00.250Z", NOW, NOW)).toEqual({
      whose: "x",
      aheadMs: 250,
      unsureMs: 0,
    });
    expect(readUtc("x", "2026-11-30T12:00:00Z", NOW, NOW)).toEqual({
      whose: "x",
      aheadMs: 500,
      unsureMs: 500,
    });
    expect(readUtc("x", "noon", NOW, NOW)).toBeUndefined();
    expect(readUtc("x", null, NOW, NOW)).toBeUndefined();
  });
});
