import { randomUUID } from "node:crypto";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import type { ServerKind } from "@stanzapack/sandbox";
import type { Engine } from "./engine.js";
import { COMPOSE_FILES, IMAGE, NODES_FILE } from "./images.js";

/** The services of the compose files. */
export type ContainerName =
  | "xmpp"
  | "component"
  | "publisher"
  | "nginx"
  // Of the file with several nodes.
  | "component2"
  | "component3"
  | "redis1"
  | "redis2"
  | "sentinel";

/** State of a container, as `podman inspect` says it. */
export interface ContainerState {
  readonly Status: string;
  readonly Pid: number;
  readonly ExitCode: number;
}

/** The containers of one deployment, with ports of their own on loopback. */
export class Deployment {
  private readonly project = `stanzapack-test-${randomUUID().slice(0, 8)}`;

  private constructor(
    private readonly engine: Engine,
    private readonly files: readonly string[],
    /** Published ports. */
    readonly ports: { readonly xmpp: number; readonly https: number; readonly dashboard: number },
  ) {}

  /** Brings up all containers: with `nodes` those of several nodes. They may not be ready yet when this resolves. */
  static async up(engine: Engine, root: string, server: ServerKind, nodes = false): Promise<Deployment> {
    const [xmpp, https, dashboard] = await freePorts();
    const files = [COMPOSE_FILES[server], ...(nodes ? [NODES_FILE] : [])].map((file) => join(root, file));
    const deployment = new Deployment(engine, files, { xmpp, https, dashboard });
    await deployment.up();
    return deployment;
  }

  /** Makes the containers that are missing, from this image of the component. */
  async up(image = IMAGE): Promise<void> {
    await this.compose(image, "up", "--detach", "--no-build");
  }

  /** Stops and removes all containers, their volumes and their network. */
  async down(): Promise<void> {
    await this.compose(IMAGE, "down", "--volumes");
    await this.engine.podman("network", "rm", "--force", `${this.project}_default`);
  }

  /** The full name of a container. */
  nameOf(container: ContainerName): string {
    return `${this.project}_${container}_1`;
  }

  /** Runs a command in a container. Returns its stdout. */
  exec(container: ContainerName, ...command: readonly string[]): Promise<string> {
    return this.engine.podman("exec", this.nameOf(container), ...command);
  }

  /** Runs a command of podman about a container: `stop`, `rm`, `logs`, `healthcheck run`. */
  act(container: ContainerName, ...command: readonly string[]): Promise<string> {
    return this.engine.podman(...command, this.nameOf(container));
  }

  async stateOf(container: ContainerName): Promise<ContainerState> {
    return JSON.parse(await this.act(container, "inspect", "--format", "{{json .State}}")) as ContainerState;
  }

  private compose(image: string, ...args: readonly string[]): Promise<string> {
    const { xmpp, https, dashboard } = this.ports;
    const variables = {
      STANZAPACK_IMAGE: image,
      XMPP_PORT: String(xmpp),
      HTTPS_PORT: String(https),
      DASHBOARD_PORT: String(dashboard),
    };
    return this.engine.compose(this.files, this.project, variables, ...args);
  }
}

/** Three ports of loopback that were free a moment ago. */
async function freePorts(): Promise<[number, number, number]> {
  const servers = await Promise.all(
    [0, 1, 2].map(
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer().once("error", reject);
          server.listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports as [number, number, number];
}
