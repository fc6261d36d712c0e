/**
 * Calls `act` as soon as the current turn is over, also in a hidden tab of a browser. Returns a function that cancels
 * the call.
 */
export function soon(act: () => void): () => void {
  if (typeof setImmediate === "function") {
    const immediate = setImmediate(act);
    return () => clearImmediate(immediate);
  }
  // Browsers delay timers: nested timers by 4 ms, and those of hidden tabs by a second or more.
  const { port1, port2 } = new MessageChannel();
  port1.addEventListener("message", () => {
    port1.close();
    act();
  });
  port1.start();
  port2.postMessage(undefined);
  return () => port1.close();
}
