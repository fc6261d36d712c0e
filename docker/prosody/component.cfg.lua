-- The component of Stanzapack, for Prosody 0.12. Copy it to /etc/prosody/conf.d/, put in your own domain and a secret
-- of your own (`openssl rand -hex 16`), and restart.

-- Where components connect. Loopback: a component's stream is neither encrypted nor limited.
component_ports = { 5347 }
component_interfaces = { "127.0.0.1" }

-- Keep the domain short: it travels in every stanza. Each node of several has a domain of its own, since Prosody lets
-- one connection only have a domain.
Component "streams.example.org"
	component_secret = "CHANGE ME"
