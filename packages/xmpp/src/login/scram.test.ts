import { describe, expect, it } from "vitest";
import { createScram } from "./scram.js";

describe("SCRAM", () => {
  it.each([
    // RFC 5802 §5
    {
      name: "SCRAM-SHA-1",
      nonce: "fyko+d2lbbFgONRv9qkxdawL",
      challenge: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
      proof: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
      final: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    },
    // RFC 7677 §3
    {
      name: "SCRAM-SHA-256",
      nonce: "rOprNGfwEbeRWgbNEkqO",
      challenge: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      proof:
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      final: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    },
  ] as const)("$name follows its RFC's example", async ({ name, nonce, challenge, proof, final }) => {
    const credentials = { username: "user", password: "pencil" };
    const scram = createScram(name, nonce);
    expect(await scram.mechanism.response(credentials)).toBe(`n,,n=user,r=${nonce}`);
    scram.mechanism.challenge(challenge);
    expect(scram.verify(final)).toBe(false);
    expect(await scram.mechanism.response(credentials)).toBe(proof);
    expect(scram.verify("v=AAAA")).toBe(false);
    expect(scram.verify("")).toBe(false);
    expect(scram.verify(final)).toBe(true);
  });

  it.each([
    ["another's nonce", "r=other123,s=QSXCR+Q6sek8bf92,i=4096"],
    ["only our own nonce", "r=mine,s=QSXCR+Q6sek8bf92,i=4096"],
    ["no count", "r=mine123,s=QSXCR+Q6sek8bf92"],
    ["a count to keep us busy", "r=mine123,s=QSXCR+Q6sek8bf92,i=999999999"],
    ["no base64", "r=mine123,s=*,i=4096"],
    // RFC 5802 §5.1: `m` is reserved, and ends the login at any place.
    ["a mandatory extension", "m=x,r=mine123,s=QSXCR+Q6sek8bf92,i=4096"],
    ["a mandatory extension at its end", "r=mine123,s=QSXCR+Q6sek8bf92,i=4096,m=x"],
    ["an empty salt", "r=mine123,s=,i=4096"],
    ["no salt", "r=mine123,i=4096"],
    ["no nonce", "s=QSXCR+Q6sek8bf92,i=4096"],
    ["one iteration", "r=mine123,s=QSXCR+Q6sek8bf92,i=1"],
    ["4,095 iterations", "r=mine123,s=QSXCR+Q6sek8bf92,i=4095"],
    ["a count that is no plain number", "r=mine123,s=QSXCR+Q6sek8bf92,i=1e4"],
    ["a negative count", "r=mine123,s=QSXCR+Q6sek8bf92,i=-4096"],
    ["a fraction for a count", "r=mine123,s=QSXCR+Q6sek8bf92,i=4096.5"],
    ["a second nonce", "r=mine123,s=QSXCR+Q6sek8bf92,i=4096,r=mine456"],
    ["a second salt", "r=mine123,s=QSXCR+Q6sek8bf92,i=4096,s=AAAA"],
    ["a second count", "r=mine123,s=QSXCR+Q6sek8bf92,i=4096,i=1"],
    ["attributes in another order", "s=QSXCR+Q6sek8bf92,r=mine123,i=4096"],
    ["a space in the nonce", "r=mine 123,s=QSXCR+Q6sek8bf92,i=4096"],
    ["base64 cut short", "r=mine123,s=QSX,i=4096"],
    ["nothing", ""],
    ["an error", "e=other-error"],
  ])("refuses a challenge with %s", async (_, challenge) => {
    const { mechanism } = createScram("SCRAM-SHA-1", "mine");
    const credentials = { username: "a=,b", password: "p" };
    expect(await mechanism.response(credentials)).toBe("n,,n=a=3D=2Cb,r=mine");
    mechanism.challenge(challenge);
    await expect(mechanism.response(credentials)).rejects.toMatchObject({ code: "auth" });
  });

  it("ignores extensions that are not mandatory, and refuses those that are", async () => {
    const nonce = "fyko+d2lbbFgONRv9qkxdawL";
    const scram = createScram("SCRAM-SHA-1", nonce);
    await scram.mechanism.response({ username: "user", password: "pencil" });
    scram.mechanism.challenge(`r=${nonce}3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,h=AAAA`);
    const response = await scram.mechanism.response({ username: "user", password: "pencil" });
    expect(response).toMatch(/^c=biws,r=.*,p=/);
    for (const final of ["e=invalid-proof", "m=x", "v=", "v"]) expect(scram.verify(final)).toBe(false);
  });

  it("refuses the server's proof with another or a mandatory one beside it", async () => {
    const nonce = "fyko+d2lbbFgONRv9qkxdawL";
    const scram = createScram("SCRAM-SHA-1", nonce);
    await scram.mechanism.response({ username: "user", password: "pencil" });
    scram.mechanism.challenge(`r=${nonce}3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096`);
    await scram.mechanism.response({ username: "user", password: "pencil" });
    const good = "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=";
    for (const final of [`${good},m=x`, `v=AAAA,${good}`, `${good},v=AAAA`, `m=x,${good}`])
      expect(scram.verify(final)).toBe(false);
    expect(scram.verify(`${good},x=y`)).toBe(true);
  });
});
