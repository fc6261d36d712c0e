import { type Command, Option } from "commander";
import { lazily } from "../base/lazily.js";

export function addServe(program: Command): void {
  program
    .command("serve")
    .summary("run the component beside an XMPP server")
    .description(
      "Runs the Stanzapack component until SIGTERM or SIGINT. After the first signal it sends all waiting " +
        "updates; a second signal ends it at once. After SIGHUP it reads the config file again: limits, " +
        "admins and log level apply at once, envelope applies to new links, and other keys need a restart. " +
        "A config file with faults changes nothing. The server must know the component's domain, port and " +
        "secret (XEP-0114). While the server cannot be reached, the component retries, and logs the " +
        "reason. The log is written to stderr, one JSON object a line.",
    )
    // The action checks that this option is given. Commander reports a missing option before an unknown option, and the
    // unknown option may be this option misspelt.
    .option("--config <file>", "config file in YAML, see below")
    .option("--check", "only check the config, then exit")
    .option("--print-config", "print the config with all defaults as YAML, without the secret, then exit")
    .option(
      "--dashboard",
      "also serve the dashboard, a web page for administrators (`admins`), as `dashboard` of the config says; " +
        "only in a clone",
    )
    .option(
      "--exit-on-failure",
      "exit with 1 if the server cannot be reached, or the connection is lost, instead of retrying",
    )
    // For `stanzapack sandbox`: the process says over Node's IPC channel when it is ready, and ends with its parent.
    .addOption(new Option("--child").hideHelp())
    .addHelpText(
      "after",
      `
Config file; only \`component\` is required:
  component:
    domain: streams.example.org   # the domain in the server's configuration
    host: 127.0.0.1
    port: 5347
    secretFile: secret            # relative to the config file; mode 0600
    tls: false                    # true, or { caFile, serverName }: TLS to the port, if the server has it (ejabberd)
    localDomains: []              # your other domains; accounts of foreign domains have smaller budgets
  store:                          # keeps services, logs, maps, cursors and approvals across a restart
    kind: lmdb                    # or memory: a restart loses everything, and nothing is written to the disk
    path: /var/lib/stanzapack     # default: $STATE_DIRECTORY (systemd), else stanzapack-data beside the config file
  admins: [root@example.org]      # accounts that may use the dashboard and \`stanzapack purge\`; default: none
  envelope: auto                  # lean stanzas where possible; ibb: only In-Band Bytestreams
  metrics: {}                     # http://127.0.0.1:9464/metrics, /health, /ready; or { host, port }; default: off
  dashboard:                      # of --dashboard; default: http://127.0.0.1:9465/
    port: 9465
    websocketUrl: wss://example.org/xmpp-websocket   # for the browser; default: what the JID's domain says
    tokenFile: dashboard.token    # needed for any other \`host\`, and behind a proxy; open the page as /?token=…
    jid: board@example.org        # the page logs in by itself; needs passwordFile and tokenFile
  limits: {}                      # such as { maxLinks: 50000 }; --print-config shows all keys
  log: { level: info }            # trace debug info warn error silent

A variable of the environment replaces a key of the file, such as STANZAPACK_LIMITS_MAX_LINKS. No file is needed if
STANZAPACK_COMPONENT_DOMAIN and STANZAPACK_COMPONENT_SECRET_FILE are set.

The level \`info\` logs links, services, refusals and cut-offs, at most 20 lines of each kind in 10 s.

Examples:
  $ stanzapack serve --config stanzapack.yml
  $ stanzapack serve --config stanzapack.yml --check
  $ stanzapack serve --config stanzapack.yml --print-config
  $ stanzapack serve --config stanzapack.yml 2> >(npx pino-pretty >&2)`,
    )
    .action(lazily(async () => (await import("../actions/serve.js")).serve));
}
