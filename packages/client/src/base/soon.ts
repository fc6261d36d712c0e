/** Calls it after the current turn, at once then, also in a browser's tab that nobody looks at. Gives what forgets it. */
export function soon(act: () => void): () => void {
  if (typeof setImmediate === "function") {
    const immediate = setImmediate(act);
    return () => clearImmediate(immediate);
  }
  // Browsers hold back timers: by 4 ms where they follow one another, by a second or more in hidden tabs.
  const { port1, port2 } = new MessageChannel();
  port1.addEventListener("message", () => {
    port1.close();
    act();
  });
  port1.start();
  port2.postMessage(undefined);
  return () => port1.close();
}
