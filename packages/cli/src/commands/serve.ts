import { type Command, Option } from "commander";
import { lazily } from "../base/lazily.js";

export function addServe(program: Command): void {
  program
    .command("serve")
    .summary("run the component beside an XMPP server")
    .description(
      "Runs the Stanzapack component until SIGTERM or SIGINT, which first sends what waits; a second signal ends " +
        "it at once. SIGHUP has the config file read again: limits and log level hold from then on, the rest needs a restart; " +
        "a file with faults changes nothing. The server must know the component: its domain, port and secret (XEP-0114). " +
        "A server that is not there yet, or away, is tried again for ever, and the log says why it does not answer. " +
        "Nothing goes to stdout; the log goes to stderr, one JSON object a line.",
    )
    // Checked by the action: commander names a missing option before an unknown one, which may be this one misspelt.
    .option("--config <file>", "YAML, see below")
    .option("--check", "only check the config file")
    .option(
      "--exit-on-failure",
      "exit with 1 when the server cannot be reached or is lost, instead of trying again",
    )
    // For `stanzapack sandbox`: says over Node's IPC channel when it is ready, and ends with its parent.
    .addOption(new Option("--child").hideHelp())
    .addHelpText(
      "after",
      `
Config file, only \`component\` is needed:
  component:
    domain: streams.example.org   # as the server's configuration names it
    host: 127.0.0.1
    port: 5347
    secretFile: secret            # beside the config file; mode 0600
    tls: false                    # true, or { caFile, serverName }: TLS to the port, where the server has it (ejabberd)
  store: memory
  log: { level: info }            # trace debug info warn error silent

With \`info\` the log tells links, services, refusals and cut-offs, at most 20 lines of a kind in 10 s.

Examples:
  $ stanzapack serve --config stanzapack.yaml
  $ stanzapack serve --config stanzapack.yaml --check
  $ stanzapack serve --config stanzapack.yaml 2> >(npx pino-pretty >&2)`,
    )
    .action(lazily(async () => (await import("../actions/serve.js")).serve));
}
