import { DOMAIN } from "./options.js";

/** How nginx handles a WebSocket: passes it, strips the headers of the upgrade, or answers with this status. */
export type WebSocketPolicy = "pass" | "strip" | number;

export interface NginxSettings {
  readonly ports: { readonly https: number; readonly http: number };
  /** Plain HTTP of the XMPP server, as `host:port`. */
  readonly upstream: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly gzip: boolean;
  readonly gzipMinLengthBytes?: number | undefined;
  readonly http2: boolean;
  readonly webSocket: WebSocketPolicy;
  /** Origins, beside nginx's own, whose pages may use BOSH. */
  readonly origins: readonly string[];
}

/**
 * Fills in the values that operators edit in `docker/nginx/`. Throws if that file has changed and this function has
 * not.
 */
export function fillIn(template: string, settings: NginxSettings): string {
  const { ports, webSocket } = settings;
  let text = template;
  const set = (line: string, ...lines: readonly string[]): void => {
    const at = text.indexOf(line);
    if (at < 0) throw new Error(`nginx/stanzapack.conf has no line ${JSON.stringify(line)}`);
    text = text.slice(0, at) + lines.join("\n") + text.slice(at + line.length);
  };
  set("server 127.0.0.1:5280;", `server ${settings.upstream};`);
  set(
    "listen 443 ssl http2;",
    `listen 127.0.0.1:${ports.https} ssl${settings.http2 ? " http2" : ""};`,
    `    listen 127.0.0.1:${ports.http};`,
  );
  set("server_name example.org;", `server_name ${DOMAIN};`);
  set("/etc/ssl/example.org.pem", quote(settings.certificateFile));
  set("/etc/ssl/example.org.key", quote(settings.keyFile));
  const origins = settings.origins.map((origin) => `    ${quote(origin)} $http_origin;`);
  set(`    # EDIT: "https://chat.example.org" $http_origin;`, ...origins);
  if (!settings.gzip) set("gzip on;", "gzip off;");
  if (settings.gzipMinLengthBytes !== undefined)
    text = text.replace(/gzip_min_length \d+;/, `gzip_min_length ${settings.gzipMinLengthBytes};`);
  if (webSocket === "strip") {
    set("Upgrade $http_upgrade;", `Upgrade "";`);
    // Prosody recognises a WebSocket by the header with the key alone.
    set(
      "Connection $stanzapack_connection;",
      `Connection "";`,
      `        proxy_set_header Sec-WebSocket-Key "";`,
    );
  } else if (webSocket !== "pass") {
    set("location = /xmpp-websocket {", "location = /xmpp-websocket {", `        return ${webSocket};`);
  }
  return text;
}

/**
 * The main file that includes the settings, like Debian's nginx.conf. All files of this run are in the folder of
 * `path`.
 */
export function renderMain(path: (name: string) => string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return [
    `# Made by @stanzapack/sandbox: nginx in the foreground, and what belongs to this run only.`,
    `daemon off;`,
    `worker_processes 1;`,
    `# After a reload the connections of before do not linger: WebSockets never end by themselves.`,
    `worker_shutdown_timeout 500ms;`,
    `pid ${quote(path("nginx.pid"))};`,
    `error_log ${quote(path("nginx.log"))} notice;`,
    `events { worker_connections 1024; }`,
    `http {`,
    ...temporary.map((name) => `    ${name}_temp_path ${quote(path(`temp/${name}`))};`),
    `    include ${quote(path("stanzapack.conf"))};`,
    `}`,
    ``,
  ].join("\n");
}

function quote(text: string): string {
  return `"${text.replace(/["\\$]/g, "\\$&")}"`;
}
