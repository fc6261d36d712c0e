/**
 * Processor time that `work` takes in this process, in ms. Other programs and waits do not count. The system may count
 * in steps of some ms, so `work` should take longer.
 */
export function processorMsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
