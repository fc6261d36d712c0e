import { describe, expect, it } from "vitest";
import { createIqRequests } from "./iq-requests.js";
import { xml } from "../xml/xml.js";

describe("a request with a signal", () => {
  it("ends when told to, and an answer after that is nobody's", async () => {
    const requests = createIqRequests(() => []);
    const cancel = new AbortController();
    const iq = xml("iq", { type: "get", to: "a.test" });
    const answer = requests.request(iq, { signal: cancel.signal }, () => true);
    const reason = new Error("enough");
    cancel.abort(reason);
    await expect(answer).rejects.toMatchObject({ code: "aborted", cause: reason });
    requests.onAnswer(xml("iq", { type: "result", from: "a.test", id: iq.attrs["id"] as string }));
  });

  it("is not written when told before", async () => {
    const requests = createIqRequests(() => []);
    const iq = xml("iq", { type: "get" });
    const answer = requests.request(iq, { signal: AbortSignal.abort() }, () => expect.unreachable());
    await expect(answer).rejects.toMatchObject({ code: "aborted" });
  });
});
