-- Quicker logins on Prosody 0.12: SASL2, Bind 2 and FAST (XEP-0388, XEP-0386, XEP-0484) come with Debian's package
-- prosody-modules, but its modules are written for a later Prosody and fail on 0.12.3 ("attempt to call a nil value
-- (method 'ssl_info')"), which leaves clients without any features. This gives them the few things that they miss.
-- Needs: apt-get install prosody-modules. A later Prosody does not need it.

-- It also has Bind 2 make resources of four characters, where it makes twelve and more: they travel in every stanza that a
-- client gets. Clients of Stanzapack let the server make theirs only where it says that they are short.

local base64 = require "util.encodings".base64;
local datetime = require "util.datetime";
local filters = require "util.filters";
local sha1 = require "util.hashes".sha1;
local stanza_methods = require "util.stanza".stanza_mt.__index;

-- Which account the client wants, from its stream header: 0.12 does not hand it on.
local function note_sender(session, _, sender)
	session.stanzapack_from = sender;
end

-- Over BOSH it stands in the first request, and nothing looks at it there. Without a base type logins hang.
module:hook_global("bosh-session", function (event)
	local session, body = event.session, event.request and event.request.body or "";
	session.base_type = session.base_type or "c2s";
	session.stanzapack_from = body:match("<body[^>]-%sfrom='([^'>]*)'")
		or body:match('<body[^>]-%sfrom="([^">]*)"');
end);

local function prepare(session)
	if session.type == "c2s_unauthed" and not session.stream_attrs then
		session.stream_attrs = note_sender;
	end
end

local function ssl_info(conn)
	local socket = conn:socket();
	return socket and socket.info and socket:info() or nil;
end

module:hook("stream-features", function (event)
	local conn = event.origin.conn;
	if conn and not conn.ssl_info then conn.ssl_info = ssl_info; end
	event.stream = event.stream or { from = event.origin.stanzapack_from };
end, 1000);

-- A token's end has fractions of a second, which 0.12 cannot format on Lua 5.4. This is for all hosts at once, so it is
-- done once, and stays when one of them unloads the module.
if not datetime.stanzapack_whole_seconds then
	local format_datetime = datetime.datetime;
	function datetime.datetime(time)
		return format_datetime(time and math.floor(time));
	end
	datetime.stanzapack_whole_seconds = true;
end

if not stanza_methods.get_child_attr then
	function stanza_methods:get_child_attr(name, xmlns, attr)
		local child = self:get_child(name, xmlns);
		return child and child.attr[attr] or nil;
	end
end

local url_safe = { ["+"] = "-", ["/"] = "_" };

-- The same for a client that comes back, and drawn again while another client of the account has it.
local function short_resource(session)
	local account = prosody.bare_sessions[session.username .. "@" .. session.host];
	local taken = account and account.sessions or {};
	for attempt = 1, 100 do
		local text = base64.encode(sha1(session.client_id .. attempt)):sub(1, 4):gsub("[+/]", url_safe);
		local holder = taken[text];
		if not holder or holder.client_id == session.client_id then return text; end
	end
end

module:hook("pre-resource-bind", function (event)
	if not event.resource and event.session.client_id then
		event.resource = short_resource(event.session);
	end
end);

module:hook("advertise-bind-features", function (event)
	event.features:tag("feature", { var = "urn:stanzapack:0#short-resource" }):up();
end);

filters.add_filter_hook(prepare);
function module.unload()
	filters.remove_filter_hook(prepare);
end

module:depends("sasl2");
module:depends("sasl2_bind2");
module:depends("sasl2_fast");
