/** One of the demo's services, as both processes know it. */
export interface DemoService {
  readonly name: DemoServiceName;
  /** Window of the subscription, in ms. */
  readonly windowMs: number;
  /** The sender's resource, by which a rival tells the services apart. */
  readonly letter: string;
  /** Title in service discovery. */
  readonly title: string;
}

export type DemoServiceName = "cpu" | "memory" | "network" | "weather" | "text" | "now-and-then";

/** Different windows, to show how a window changes bytes and age. */
export const DEMO_SERVICES: readonly DemoService[] = [
  { name: "cpu", windowMs: 1_000, letter: "c", title: "Per cent of this machine's processors in use" },
  { name: "memory", windowMs: 500, letter: "m", title: "This machine's memory, in MB" },
  { name: "network", windowMs: 1_000, letter: "n", title: "Bytes and packets of this machine's interfaces" },
  { name: "weather", windowMs: 1_000, letter: "w", title: "Days of Seattle's weather, 2012 to 2015" },
  { name: "text", windowMs: 1_000, letter: "t", title: "Paragraphs of a licence" },
  { name: "now-and-then", windowMs: 100, letter: "a", title: "Load and processes, at irregular moments" },
];
