import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { confirm } from "./confirm.js";

it.each([
  ["y\n", true],
  ["Yes \n", true],
  ["n\n", false],
  ["yess\n", false],
  ["\n", false],
  ["", false],
])("takes the answer %j as %s", async (answer, expected) => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const asked = confirm("Sure? ", new AbortController().signal, input, output);
  input.end(answer);
  expect(await asked).toBe(expected);
  expect(String(output.read())).toContain("Sure? ");
});

it("takes an abort as no", async () => {
  const controller = new AbortController();
  const asked = confirm("Sure? ", controller.signal, new PassThrough(), new PassThrough());
  controller.abort();
  expect(await asked).toBe(false);
});
