import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { fuzzCodec } from "./codec-fuzz.js";
import type { CodecFuzzNews, CodecFuzzTask } from "./codec-fuzz-workers.js";

setFlagsFromString("--expose-gc");
// Most batches throw. The top of a stack says enough about a crash.
Error.stackTraceLimit = 4;
const tell = (news: CodecFuzzNews): void => parentPort?.postMessage(news);
const report = fuzzCodec({
  ...(workerData as CodecFuzzTask),
  collectGarbage: runInNewContext("gc") as () => void,
  onProgress: (done) => tell({ done }),
});
tell({ report });
