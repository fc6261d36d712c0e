import { randomBytes } from "node:crypto";
import { access, readdir } from "node:fs/promises";
import { DIALBACK_SECONDS, partsOf, type Recipe } from "./recipe.js";
import { deriveScram } from "./scram.js";
import { findProgram, notInstalled } from "./server-user.js";
import { readTemplate, type Site, type SiteSettings } from "./site.js";
import type { FederationOptions, SandboxAccount } from "./types.js";

/** Folder, within the site, of our own Prosody modules. */
const MODULES = "modules";

/** Prosody 0.12 as Debian ships it. */
export const prosody: Recipe = {
  kind: "prosody",
  logFile: "prosody.log",
  configFile: "prosody.cfg.lua",
  stopGraceMs: 10_000,
  needsNameServer: false,

  async prepare(site, domains) {
    const program = await findProgram("prosody", "prosody");
    for (const folder of [
      "data",
      MODULES,
      ...domains.flatMap((domain) => [dataOf(domain), accountsOf(domain)]),
    ])
      await site.makeFolder(folder);
    return {
      program,
      args: ["--config", site.path("prosody.cfg.lua"), "-F"],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: site.folder, LANG: "C.UTF-8" },
      cwd: site.path("data"),
      outputFile: site.path("output.log"),
    };
  },

  async configure(site, settings) {
    await site.write("stock.cfg.lua", await readTemplate("prosody/stock.cfg.lua"));
    await site.write("stanzapack.cfg.lua", await readTemplate("prosody/stanzapack.cfg.lua"));
    for (const name of modulesOf(settings)) {
      await assertNeeded(name);
      await site.write(`${MODULES}/mod_${name}.lua`, await readTemplate(`prosody/mod_${name}.lua`));
    }
    await site.write("prosody.cfg.lua", renderConfig(site, settings));
  },

  readLog(log, ports) {
    // Prosody keeps running without a port that it could not open. So this line decides.
    if (log.includes("Failed to open server port")) return "port-taken";
    const open = Object.entries(ports).every(([service, port]) =>
      log.includes(`Activated service '${service}' on [127.0.0.1]:${String(port)}`),
    );
    return open ? "ready" : "starting";
  },

  async addAccounts(site, accounts) {
    // `prosodyctl register` takes 0.1 s for each account. Prosody's store has one file for each account, and reads it
    // at every login.
    const texts = await Promise.all(accounts.map(renderAccount));
    for (const [index, account] of accounts.entries()) {
      const { localPart, domain } = partsOf(account);
      await site.write(`${accountsOf(domain)}/${encodeFileName(localPart)}.dat`, texts[index] ?? "");
    }
  },
};

function renderConfig(site: Pick<Site, "path">, settings: SiteSettings): string {
  const { ports, certificates, components, domains, federation } = settings;
  const modules = modulesOf(settings);
  const lines = [
    `-- Made by @stanzapack/sandbox: Prosody as shipped, and what belongs to this sandbox only.`,
    `Include ${quote(site.path("stock.cfg.lua"))}`,
    ...(settings.settings === "recommended" ? [`Include ${quote(site.path("stanzapack.cfg.lua"))}`] : []),
    ...(modules.length > 0
      ? [`plugin_paths = { "/usr/local/lib/prosody/modules", ${quote(site.path(MODULES))} }`]
      : []),
    `data_path = ${quote(site.path("data"))}`,
    `pidfile = ${quote(site.path("data/prosody.pid"))}`,
    `log = { info = ${quote(site.path("prosody.log"))} }`,
    `certificates = ${quote(site.path(""))}`,
    ``,
    `interfaces = { "127.0.0.1" }`,
    `c2s_ports = { ${ports.c2s} }`,
    `component_ports = { ${ports.component} }`,
    `component_interfaces = { "127.0.0.1" }`,
    `http_ports = { ${ports.http} }`,
    `http_interfaces = { "127.0.0.1" }`,
    `c2s_direct_tls_ports = { }`,
    `s2s_ports = { ${ports.s2s ?? ""} }`,
    `s2s_direct_tls_ports = { }`,
    `https_ports = { }`,
    `http_default_host = ${quote(domains[0] as string)}`,
    `-- Plain HTTP never leaves this machine: logins over it are as safe as over TLS.`,
    `consider_bosh_secure = true`,
    `consider_websocket_secure = true`,
    `ssl = { certificate = ${quote(certificates.certificateFile)}; key = ${quote(certificates.keyFile)} }`,
    ...(federation === undefined ? [] : renderFederation(federation)),
    ...domains.flatMap((domain) => [
      ``,
      `VirtualHost ${quote(domain)}`,
      ...(modules.length > 0 ? [`\tmodules_enabled = { ${modules.map(quote).join("; ")} }`] : []),
    ]),
    ...components.flatMap(({ domain, secret }) => [
      ``,
      `Component ${quote(domain)}`,
      `\tcomponent_secret = ${quote(secret)}`,
    ]),
  ];
  return `${lines.join("\n")}\n`;
}

function renderFederation({ domains, port }: FederationOptions): string[] {
  return [
    `-- Each sandbox has an authority of its own, which no other knows: dialback stays.`,
    `s2s_secure_auth = false`,
    `-- A question of dialback that got lost is given up after so long; 90 s as shipped.`,
    `s2s_timeout = ${DIALBACK_SECONDS}`,
    `stanzapack_federation_domains = { ${domains.map(quote).join("; ")} }`,
    `stanzapack_federation_port = ${port}`,
  ];
}

/** Our own modules that the settings need, by their names without `mod_`. */
function modulesOf(settings: SiteSettings): string[] {
  return [
    ...(settings.compress ? ["stanzapack_compression"] : []),
    ...(settings.sasl2 ? ["stanzapack_sasl2"] : []),
    ...(settings.federation === undefined ? [] : ["stanzapack_federation"]),
  ];
}

/** Files that our own modules need. Without a file Prosody starts too, and only its log reports what is missing. */
const NEEDED: Readonly<Record<string, { readonly path: string; readonly debianPackage: string }>> = {
  stanzapack_compression: { path: "lua/5.4/zlib.so", debianPackage: "lua-zlib" },
  stanzapack_sasl2: { path: "modules/mod_sasl2/mod_sasl2.lua", debianPackage: "prosody-modules" },
};

async function assertNeeded(module: string): Promise<void> {
  const needed = NEEDED[module];
  if (needed === undefined) return;
  const found = await Promise.all(
    (await readdir("/usr/lib")).map((folder) =>
      access(`/usr/lib/${folder}/${needed.path}`).then(
        () => true,
        () => false,
      ),
    ),
  );
  if (!found.includes(true)) {
    const { debianPackage } = needed;
    throw notInstalled("prosody", `mod_${module} needs ${debianPackage}`, debianPackage);
  }
}

async function renderAccount(account: SandboxAccount): Promise<string> {
  // Prosody hashes with the salt's text as it stands in the file.
  const text = randomBytes(12).toString("base64");
  const { iterations, storedKey, serverKey } = await deriveScram(account.password, Buffer.from(text));
  return [
    `return {`,
    `\t["salt"] = ${quote(text)};`,
    `\t["iteration_count"] = ${iterations};`,
    `\t["stored_key"] = "${storedKey.toString("hex")}";`,
    `\t["server_key"] = "${serverKey.toString("hex")}";`,
    `};\n`,
  ].join("\n");
}

function dataOf(domain: string): string {
  return `data/${encodeFileName(domain)}`;
}

function accountsOf(domain: string): string {
  return `${dataOf(domain)}/accounts`;
}

/** Encodes a file name as Prosody's util.datamanager does, byte by byte. */
function encodeFileName(name: string): string {
  return Buffer.from(name)
    .toString("latin1")
    .replace(/[^A-Za-z0-9]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}
