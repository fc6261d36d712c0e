import type { Remedy } from "./check.js";

/** How to fix each finding. */
export const FIX = {
  config: "Correct the lines that are named. `stanzapack serve --print-config` shows all keys.",
  secretUnreadable:
    "Write the secret into this file, and give the file to the component's user: `chown USER FILE; chmod 600 FILE`. " +
    "Run doctor as that user.",
  host: "Set `component.host` to the name or address of the XMPP server. `getent hosts NAME` shows what DNS says.",
  portClosed: {
    prosody:
      "start it, and set `component_ports` and `component_interfaces`; `component.port` names the same port.",
    ejabberd:
      "start it, and add a listener with `module: ejabberd_service`; `component.port` names the same port.",
  },
  componentTls: {
    prosody:
      "it has no TLS on the component port: set `component.tls: false`, and keep the stream on one machine.",
    ejabberd: "set `tls: true` and `certfile` in the listener with `module: ejabberd_service`.",
  },
  componentPlain: {
    prosody: "run the component on the server's machine, or connect both machines by a VPN.",
    ejabberd: "set `tls: true` and `certfile` in the listener, and `component.tls: true` in the config file.",
  },
  componentCertificate: {
    expired: {
      prosody: "renew the certificate of the TLS proxy in front of the component port.",
      ejabberd: "renew the file that `certfile` of the listener names, then run `ejabberdctl reload_config`.",
    },
    wrongName:
      "Set `component.tls.serverName` to the name in the certificate, or renew the certificate for the host.",
    untrusted: "Set `component.tls.caFile` to a PEM file of the authority that signed the certificate.",
  },
  unknownDomain: {
    prosody: 'add `Component "DOMAIN"` with `component_secret` to its configuration, then restart it.',
    ejabberd: "add the domain to `hosts` of the listener with `module: ejabberd_service`, then restart it.",
  },
  wrongSecret: {
    prosody:
      "make `component_secret` of the domain and the component's secret file equal, then restart Prosody.",
    ejabberd:
      "name the domain in `hosts` of the listener `ejabberd_service`, with the secret as `password`, then restart it.",
  },
  taken: "Stop the other component that is connected with this domain, or give each a domain of its own.",
  storeFolder:
    "Let the component's user write there: `chown -R USER DIRECTORY`. Or name another directory in `store.path`.",
  diskFull: "Make room on the disk, or lower `store.maxBytes`. The component then continues by itself.",
  storeVersion:
    "Run the version of Stanzapack that wrote this store, or name another directory in `store.path`.",
  storeDamage:
    "Copy the directory first. The next start of the component repairs the store, and logs what is lost.",
  redisAway:
    "Start Redis, or correct `host`, `port`, `sentinels`, `master` and `tls` of `store`. `redis-cli` tries the same.",
  redisVersion: "Install Redis 7.0 or later, or Valkey.",
  redisStoreVersion: "Run the version of Stanzapack that wrote this store, or set another `store.prefix`.",
  noReplicas: "Set `store.replicas: 1`, so that `sync` waits for a replica.",
  fewReplicas:
    "Start the replicas, or lower `store.replicas`. `redis-cli INFO replication` names those that are there.",
  minReplicas: "Set `min-replicas-to-write 1` in redis.conf of the primary and of its replicas.",
  prefixUsed: "Set another `store.prefix`. If this component is to be one of these nodes, set `nodes: {}`.",
  notRunning:
    "Start the component: `stanzapack serve --config FILE`, or `systemctl start` with the name of its unit.",
  notReady: "The checks `domain` and `login` below, or the component's log, have the reason.",
  password:
    "Write the account's password into a file with mode 0600, and name the file in `--password-file`.",
  ca: "Name a PEM file of the authority in `--ca`, or leave the option out.",
  exposed: "Run the `chmod` above.",
  dns: {
    prosody: "publish SRV records `_xmpp-client._tcp.DOMAIN` that name its host and a port of `c2s_ports`.",
    ejabberd:
      "publish SRV records `_xmpp-client._tcp.DOMAIN` that name its host and the port of `ejabberd_c2s`.",
  },
  hostMeta: {
    prosody:
      "serve `/.well-known/host-meta.json` at `https://DOMAIN` with the web server; browsers need it, TCP does not.",
    ejabberd:
      "add `/.well-known/host-meta: mod_host_meta` to a listener at `https://DOMAIN`, or use the web server.",
  },
  clientCertificate: {
    expired: {
      prosody:
        "renew it, then run `prosodyctl --root cert import /etc/letsencrypt/live` and `prosodyctl reload`.",
      ejabberd: "renew the files that `certfiles` names, then run `ejabberdctl reload_config`.",
    },
    wrongName: {
      prosody: "make a certificate for this name, and run `prosodyctl --root cert import DIRECTORY`.",
      ejabberd: "make a certificate for this name, and name its file in `certfiles`.",
    },
    untrusted:
      "Let the server send the whole chain (`fullchain.pem`). Give clients the file of an authority of your own by `--ca`.",
  },
  tcp: {
    prosody: "start it, enable the module `c2s`, and open the ports of `c2s_ports` in the firewall.",
    ejabberd: "start it, add a listener with `module: ejabberd_c2s`, and open its port in the firewall.",
  },
  websocket: {
    prosody: "enable the module `websocket`, and pass its path `/xmpp-websocket` on in the proxy.",
    ejabberd:
      "add `/xmpp-websocket: ejabberd_http_ws` to `request_handlers`, and pass the path on in the proxy.",
  },
  bosh: {
    prosody: "enable the module `bosh`, and pass its path `/http-bind` on in the proxy.",
    ejabberd:
      "add `/http-bind: mod_bosh` to `request_handlers`, load `mod_bosh`, and pass the path on in the proxy.",
  },
  account: {
    prosody: "check `--jid` and the password; `prosodyctl passwd JID` sets a new one.",
    ejabberd:
      "check `--jid` and the password; `ejabberdctl change_password USER DOMAIN PASSWORD` sets a new one.",
  },
  boshTimings: {
    prosody:
      "raise `bosh_max_wait` and `bosh_max_inactivity`; a proxy in front must wait longer than `bosh_max_wait`.",
    ejabberd:
      "raise `max_inactivity` of `mod_bosh`, and let the proxy in front wait longer than a request takes.",
  },
  gzipSmall: "Set `gzip_min_length 220` in nginx: `docker/nginx/stanzapack.conf` has the recommended block.",
  streamManagement: {
    prosody: "enable the module `smacks`. Without it a short break of the network loses stanzas.",
    ejabberd: "load `mod_stream_mgmt`. Without it a short break of the network loses stanzas.",
  },
  component: {
    prosody: "start the component, and check `--component` and the `Component` entry of this domain.",
    ejabberd: "start the component, and check `--component` and `hosts` of the listener `ejabberd_service`.",
  },
  notStanzapack: "Another program has this domain. Check `--component`.",
  balancing: {
    prosody: "stop one of the components: each needs a domain of its own.",
    ejabberd:
      "remove `domain_balancing` of this domain, stop the other components, and give each component a domain of its own.",
  },
  link: {
    prosody:
      "see the text above, and the component's log. `mod_firewall` and privacy lists must let iqs and messages pass.",
    ejabberd:
      "see the text above, and the component's log. `mod_privacy` and `mod_block_strangers` must let iqs pass.",
  },
  lean: {
    prosody: "find the module that drops messages without children, such as a rule of `mod_firewall`.",
    ejabberd: "find the module that drops messages without children, such as a filter of your own.",
  },
  rate: {
    prosody: 'set `limits = { c2s = { rate = "256kb/s"; burst = "4s"; } }`, or more, and reload.',
    ejabberd: "set `shaper.normal` to `rate: 256000` and `burst_size: 1000000`, or more, and reload.",
  },
  stanzaSize: {
    prosody:
      "leave `c2s_stanza_size_limit` at its default, 262144. Stanzapack's stanzas have at most 90,000 bytes.",
    ejabberd:
      "set `max_stanza_size: 262144` in the listener `ejabberd_c2s`. Stanzapack's have at most 90,000 bytes.",
  },
} as const satisfies Readonly<Record<string, Remedy | Readonly<Record<string, Remedy>>>>;
