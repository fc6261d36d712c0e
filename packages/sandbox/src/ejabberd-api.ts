import { request } from "node:http";
import { SandboxError } from "./errors.js";

/** Longest wait for an answer, in ms. Loading 100,000 accounts takes half of that time. */
const TIMEOUT_MS = 60_000;

/** Calls one command of ejabberd's HTTP API over its Unix socket. */
export function callApi(socketPath: string, command: string, args: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify(args);
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const call = request({
      socketPath,
      path: `/api/${command}`,
      method: "POST",
      agent: false,
      headers,
      signal,
    });
    call.on("error", (cause) => {
      reject(new SandboxError("refused", `ejabberd's ${command} failed: ${cause.message}`, { cause }));
    });
    call.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => {
        if (response.statusCode === 200) resolve(text);
        else
          reject(
            new SandboxError("refused", `ejabberd's ${command} answered ${response.statusCode}: ${text}`),
          );
      });
    });
    call.end(body);
  });
}
