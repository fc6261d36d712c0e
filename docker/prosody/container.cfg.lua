-- Prosody in a container: what Debian ships, the recommended settings, and what belongs to compose.prosody.yml.
-- The entrypoint sets XMPP_DOMAIN and COMPONENT_SECRET; compose.nodes.yml sets XMPP_NODES.
Include "/etc/prosody/stock.cfg.lua"
Include "/etc/prosody/stanzapack.cfg.lua"

data_path = "/var/lib/prosody"
pidfile = "/tmp/prosody.pid"
log = { info = "*console" }

c2s_ports = { 5222 }
c2s_direct_tls_ports = { }
-- Users of other servers would need a domain in the DNS, and a certificate for it.
s2s_ports = { }
s2s_direct_tls_ports = { }
c2s_require_encryption = true
ssl = { certificate = "/tls/server.pem"; key = "/tls/server-key.pem" }

-- Plain HTTP, for nginx alone: compose.prosody.yml publishes neither this port nor the component's.
http_ports = { 5280 }
http_interfaces = { "*" }
https_ports = { }
http_default_host = ENV_XMPP_DOMAIN
consider_bosh_secure = true
consider_websocket_secure = true

component_ports = { 5347 }
component_interfaces = { "*" }

VirtualHost (ENV_XMPP_DOMAIN)

-- Each node of the component has a domain: streams, streams2, streams3 and so on.
for node = 1, tonumber(ENV_XMPP_NODES or 1) do
	Component ("streams" .. (node > 1 and node or "") .. "." .. ENV_XMPP_DOMAIN)
		component_secret = ENV_COMPONENT_SECRET
end
