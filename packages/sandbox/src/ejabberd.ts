import { readFile, rm } from "node:fs/promises";
import { parse, stringify } from "yaml";
import { callApi } from "./ejabberd-api.js";
import { DIALBACK_SECONDS, partsOf, type Recipe } from "./recipe.js";
import { deriveScram } from "./scram.js";
import { findProgram, notInstalled } from "./server-user.js";
import { SandboxError } from "./errors.js";
import { readTemplate, type Site, type SiteSettings } from "./site.js";
import type { SandboxAccount } from "./types.js";

/** Unix socket in the sandbox's folder, for making accounts. Only the server's user and root may use it. */
const API_SOCKET = "api.sock";
const COMPONENT_PEM = "component.pem";

/**
 * Up to this number, ejabberd registers accounts one by one. That takes 16 ms each, since Erlang computes the SCRAM
 * credentials. A larger number is computed here, and loaded into the table in one call: 1,000 accounts in two seconds.
 */
const MAX_REGISTERED = 20;

/**
 * ejabberd 23.01 as Debian ships it, started as its `ejabberdctl` does, but without Erlang's distribution: no epmd, no
 * cookie and no further port. So many servers can run side by side, any user may run them, and SIGTERM stops them
 * cleanly. `ejabberdctl` cannot reach such a server.
 */
export const ejabberd: Recipe = {
  kind: "ejabberd",
  logFile: "ejabberd.log",
  configFile: "ejabberd.yml",
  stopGraceMs: 15_000,
  needsNameServer: true,

  async prepare(site) {
    // sockaddr_un holds 108 bytes, and the last byte is 0.
    if (Buffer.byteLength(site.path(API_SOCKET)) > 107) {
      throw new SandboxError(
        "bad-option",
        `the folder for temporary files has too long a name: ${site.folder}`,
      );
    }
    const program = await findProgram("erl", "ejabberd");
    const libraries = await findLibraries();
    for (const folder of ["data", "home"]) await site.makeFolder(folder);
    return {
      program,
      args: [
        // Erlang's schedulers sleep when idle. By default each first spins for a while, on processors that others need.
        ...["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"],
        ...["+K", "true", "+P", "250000", "-mnesia", "dir", `"${site.path("data")}"`],
        ...["-ejabberd", "log_rotate_count", "0", "-s", "ejabberd", "-noinput"],
      ],
      env: {
        PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
        LANG: "C.UTF-8",
        HOME: site.path("home"),
        ERL_LIBS: libraries,
        ERL_INETRC: site.path("inetrc"),
        ERL_MAX_PORTS: "32000",
        ERL_CRASH_DUMP_BYTES: "0",
        EJABBERD_CONFIG_PATH: site.path("ejabberd.yml"),
        EJABBERD_LOG_PATH: site.path("ejabberd.log"),
      },
      cwd: site.path("data"),
      outputFile: site.path("output.log"),
    };
  },

  async configure(site, settings) {
    const stock = parse(await readTemplate("ejabberd/stock.yml")) as YamlMap;
    const recommended = parse(await readTemplate("ejabberd/stanzapack.yml")) as YamlMap;
    const base = settings.settings === "recommended" ? mergeMaps(stock, recommended) : stock;
    await site.write("inetrc", renderNames(settings.nameServerPort));
    if (settings.componentTls) await writeComponentPem(site, settings);
    await site.write("ejabberd.yml", stringify(withSite(base, site, settings)));
  },

  readLog(log, ports) {
    if (/Failed to open socket .*address already in use/.test(log)) return "port-taken";
    const open = Object.values(ports).every((port) =>
      ["TCP", "TLS"].some((kind) =>
        log.includes(`Start accepting ${kind} connections at 127.0.0.1:${String(port)} `),
      ),
    );
    return open && log.includes(" is started in the node ") ? "ready" : "starting";
  },

  async addAccounts(site, accounts) {
    const socket = site.path(API_SOCKET);
    if (accounts.length <= MAX_REGISTERED) {
      for (const account of accounts) {
        const { localPart: user, domain: host } = partsOf(account);
        await callApi(socket, "register", { user, host, password: account.password });
      }
      return;
    }
    const rows = await Promise.all(accounts.map(renderAccount));
    await site.write("accounts.txt", `{tables,[{passwd,[]}]}.\n${rows.join("")}`);
    await callApi(socket, "load", { file: site.path("accounts.txt") });
    await rm(site.path("accounts.txt"));
  },
};

/**
 * Like Debian's /etc/ejabberd/inetrc, which an ordinary user cannot read: `localhost` must not need a name server.
 * ejabberd finds other servers by SRV alone, since the system resolves the target's address, whatever this file says.
 * So with our name server ejabberd finds only the servers of the federation.
 */
function renderNames(nameServerPort: number | undefined): string {
  const own = `{lookup,["file","native"]}.\n{host,{127,0,0,1},["localhost"]}.\n`;
  if (nameServerPort === undefined) return own;
  return `${own}{resolv_conf,""}.\n{nameserver,{127,0,0,1},${nameServerPort}}.\n`;
}

/**
 * Writes the certificate of the listener for components. That listener ignores `certfiles`, and its `certfile` must
 * have the key too.
 */
async function writeComponentPem(site: Site, { certificates }: SiteSettings): Promise<void> {
  const files = [certificates.certificateFile, certificates.keyFile];
  const parts = await Promise.all(files.map((file) => readFile(file, "utf8")));
  await site.write(COMPONENT_PEM, parts.join(""));
}

type YamlMap = Record<string, unknown>;

/**
 * Merges two maps. Keys of `over` replace keys of `base`. If both values are maps, they are merged too. Exported for
 * its test.
 */
export function mergeMaps(base: YamlMap, over: YamlMap): YamlMap {
  const merged = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = merged[key];
    merged[key] = isMap(old) && isMap(value) ? mergeMaps(old, value) : value;
  }
  return merged;
}

function isMap(value: unknown): value is YamlMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withSite(base: YamlMap, site: Site, settings: SiteSettings): YamlMap {
  const { ports, components, certificates, domains, federation } = settings;
  const ip = "127.0.0.1";
  const [c2s, http] = base["listen"] as readonly [YamlMap, YamlMap];
  const hosts = Object.fromEntries(components.map(({ domain, secret }) => [domain, { password: secret }]));
  const own: YamlMap = {
    hosts: [...domains],
    certfiles: [certificates.certificateFile, certificates.keyFile],
    listen: [
      { ...c2s, port: ports.c2s, ip, ...(settings.compress && { zlib: true }) },
      { ...http, port: ports.http, ip },
      // Debian's listener for servers, at a port of the sandbox.
      ...(federation === undefined
        ? []
        : [{ module: "ejabberd_s2s_in", port: ports.s2s, ip, max_stanza_size: 524_288 }]),
      // By default a component that connects receives every domain of its listener, not only the domain of its login.
      {
        module: "ejabberd_service",
        port: ports.component,
        ip,
        hosts,
        global_routes: false,
        ...(settings.componentTls && { tls: true, certfile: site.path(COMPONENT_PEM) }),
      },
      {
        module: "ejabberd_http",
        port: `unix:${site.path(API_SOCKET)}`,
        request_handlers: { "/api": "mod_http_api" },
      },
    ],
    api_permissions: {
      "sandbox accounts": { from: ["mod_http_api"], who: "all", what: ["register", "load"] },
    },
  };
  // By default ejabberd waits up to five minutes before it retries a server that was away.
  const reach = { s2s_max_retry_delay: 1, negotiation_timeout: DIALBACK_SECONDS };
  return mergeMaps(base, { ...own, ...(federation !== undefined && reach) });
}

/** A row of the table `passwd`, as ejabberd's own `dump` writes it. */
async function renderAccount(account: SandboxAccount): Promise<string> {
  const { salt, iterations, storedKey, serverKey } = await deriveScram(account.password);
  const keys = `<<"${storedKey.toString("base64")}">>,<<"${serverKey.toString("base64")}">>`;
  const scram = `{scram,${keys},<<"${salt.toString("base64")}">>,sha,${iterations}}`;
  const { localPart, domain } = partsOf(account);
  return `{passwd,{${binaryOf(localPart)},${binaryOf(domain)}},${scram}}.\n`;
}

/** A text as an Erlang term of ASCII. */
function binaryOf(text: string): string {
  return `<<${[...Buffer.from(text)].join(",")}>>`;
}

/** The libraries' folder, as the package's own script finds it: the folder differs by processor. */
async function findLibraries(): Promise<string> {
  const script = await readFile(await findProgram("ejabberdctl", "ejabberd"), "utf8");
  const found = /^ERL_LIBS='([^']+)'/m.exec(script)?.[1];
  if (found === undefined) throw notInstalled("ejabberd", "this ejabberdctl is not Debian's");
  return found;
}
