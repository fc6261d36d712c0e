-- For sandboxes only: where other servers are, without DNS. Those of `stanzapack_federation_domains` are all at
-- `stanzapack_federation_port` on 127.0.0.1; nobody else is anywhere, so that nothing leaves this machine.
--
-- Prosody 0.12 has no event between a domain and its address: what mod_s2s asks for addresses is given another answer.

module:set_global();

local manual = require "net.resolvers.manual";
local service = require "net.resolvers.service";

local domains = module:get_option_set("stanzapack_federation_domains", {});
local port = module:get_option_number("stanzapack_federation_port");

local resolve = service.new;

function service.new(domain, name, transport, extra)
	local targets = {};
	if name == "xmpp-server" and domains:contains(domain) then
		targets[1] = { "tcp4", "127.0.0.1", port, extra };
	end
	return manual.new(targets, transport, extra);
end

function module.unload()
	service.new = resolve;
end
