// `npm -s run fuzz:ibb -- --count N --seed N`: one JSON line, exit status 1 when something was found.
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { fuzzIbb } from "./ibb-fuzz.js";

const { values } = parseArgs({
  options: { count: { type: "string", default: "100000" }, seed: { type: "string" } },
});
const count = Number(values.count);
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
if (!Number.isInteger(count) || count < 1 || !Number.isInteger(seed)) {
  process.stderr.write("stanzapack: usage: fuzz:ibb --count N --seed N, whole numbers\n");
  process.exit(2);
}
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;
const report = await fuzzIbb({ count, seed, collectGarbage });
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exitCode = report.findings.length === 0 ? 0 : 1;
