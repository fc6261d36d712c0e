import { fileURLToPath } from "node:url";
import type { TransportKind } from "@stanzapack/xmpp";
import type { TcpProxy } from "../proxies/tcp-proxy.js";
import { Program } from "./program.js";
import type { CommonReport, Login, Order } from "./resident-messages.js";

/** The next login of a program: each one on the next transport, over a road of its own. */
export type NextLogin = () => Promise<{
  readonly login: Login;
  readonly road: TcpProxy;
  readonly transport: TransportKind;
}>;

/** Most findings of one program in a round. Further findings mostly follow from the first one. */
const MAX_FINDINGS = 5;

/** A program that the proof kills and starts again, with what both programs have in common. */
export abstract class Resident<Start extends object, Report extends { readonly type: string }> {
  readonly findings: string[] = [];
  /** Whether its present process has begun. */
  ready = false;
  /** Why it cannot go on. */
  failed: string | undefined;
  /** How often its link broke, or its process was killed. */
  breaks = 0;
  transport: TransportKind | undefined;
  private readonly program: Program<Start, Order, Report>;
  private currentRoad: TcpProxy | undefined;
  private wanted: "load" | "rest" = "rest";

  protected constructor(
    private readonly name: string,
    private readonly nextLogin: NextLogin,
  ) {
    const file = fileURLToPath(new URL(`./${name}-main.js`, import.meta.url));
    this.program = new Program(
      file,
      (report) => this.hear(report),
      (how) => (this.failed ??= `${name}: its process ended by itself: ${how}`),
    );
  }

  /** What the next process begins with. */
  protected abstract begins(login: Login): Start;
  protected abstract take(report: Report): void;

  get road(): TcpProxy {
    if (this.currentRoad === undefined) throw new Error(`${this.name} has no road`);
    return this.currentRoad;
  }

  async start(): Promise<void> {
    const { login, road, transport } = await this.nextLogin();
    this.currentRoad = road;
    this.transport = transport;
    this.program.start(this.begins(login));
  }

  /** Kills its process. Resolves when all that the process said has been read. */
  async kill(): Promise<void> {
    this.ready = false;
    this.breaks++;
    await this.program.kill();
    this.ready = false;
    await this.currentRoad?.close();
    this.currentRoad = undefined;
  }

  begin(): void {
    this.want("load");
  }

  rest(): void {
    this.want("rest");
  }

  private want(wanted: "load" | "rest"): void {
    this.wanted = wanted;
    if (this.ready) this.order(wanted);
  }

  protected order(order: Order): void {
    this.program.order(order);
  }

  protected fault(text: string): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push(`${this.name}: ${text}`);
  }

  private hear(report: Report): void {
    const common = report as unknown as CommonReport;
    switch (common.type) {
      case "ready":
        this.ready = true;
        this.order(this.wanted);
        return;
      case "fault":
        return this.fault(common.text);
      case "offline":
        this.breaks++;
        return;
      default:
        return this.take(report);
    }
  }

  async close(): Promise<void> {
    await this.kill();
  }
}
