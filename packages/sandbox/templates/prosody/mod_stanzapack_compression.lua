-- Stream compression (XEP-0138, method zlib) for Prosody 0.12, which has none. Optional: load it only where clients ask
-- for it, and read "Stream compression" in docker/README.md first. Needs lua-zlib (Debian: apt-get install lua-zlib).
--
-- Offered on TCP, after authentication and before a resource is bound (XEP-0170), so that nobody without an account can
-- make the server inflate anything.

local add_filter = require "util.filters".add_filter;
local st = require "util.stanza";
local zlib = require "zlib";

local xmlns_feature = "http://jabber.org/features/compress";
local xmlns_compress = "http://jabber.org/protocol/compress";

-- The levels differ by a hundredth of a byte a stanza: what repeats is right before it.
local level = module:get_option_number("stanzapack_compression_level", 6);

-- Stanzas alike in all but a number shrink to a hundredth at best, long repetitive texts a little further. So a stream has
-- no more bytes parsed than this many for each one that came, and `inflated_ahead` besides, however it cuts them;
-- mod_limits counts what came.
local max_ratio = 256;
local inflated_ahead = 65536;

-- Most bytes that one read (8 KiB) may inflate to.
local max_inflated = module:get_option_number("stanzapack_compression_max_inflated", 1048576);

-- 32 KiB of window each way, as zlib's default; `true` for gzip headers would be its default too.
local window_bits = 15;

-- Inflated at a time, in bytes: at most a thousand times as much comes out before the total is looked at.
local slice_size = 256;

local function tls_compresses(session)
	local method = session.compressed; -- set by mod_c2s from what TLS negotiated
	return method and method ~= "" and method ~= "NONE";
end

local function may_compress(session)
	return session.type == "c2s_unbound" and session.conn and session.reset_stream
		and not session.bosh_version and not session.websocket_request
		and not session.stanzapack_compression and not tls_compresses(session);
end

module:hook("stream-features", function (event)
	if not may_compress(event.origin) then return; end
	event.features:tag("compression", { xmlns = xmlns_feature })
		:tag("method"):text("zlib"):up()
	:up();
end);

-- XEP-0138 §3: no stream error, the client may go on without.
local function refuse(session, condition)
	session.send(st.stanza("failure", { xmlns = xmlns_compress }):tag(condition));
	return true;
end

-- XEP-0138 §3: the stream cannot be read any more.
local function give_up(state, text)
	local session = state.session;
	state.broken = true;
	session.log("info", "Compressed stream refused: %s", text);
	session:close({
		condition = "undefined-condition";
		text = text;
		extra = st.stanza("failure", { xmlns = xmlns_compress }):tag("processing-failed"):up();
	});
end

-- Inflates one read, slice by slice.
local function inflate_read(state, data)
	local parts = {};
	state.credit = math.min(max_inflated, state.credit + max_ratio * #data);
	for from = 1, #data, slice_size do
		if state.ended then return nil, "Data behind the end of the compressed stream"; end
		local ok, part, ended = pcall(state.inflate, data:sub(from, from + slice_size - 1));
		if not ok then return nil, "Not a zlib stream"; end
		state.ended = ended;
		state.credit = state.credit - #part;
		if state.credit < 0 then return nil, "Inflates to too much"; end
		parts[#parts + 1] = part;
	end
	return table.concat(parts);
end

local function start(session)
	local state = {
		session = session;
		deflate = zlib.deflate(level, window_bits);
		inflate = zlib.inflate(window_bits);
		credit = inflated_ahead;
	};
	session.stanzapack_compression = state;

	-- The lowest priority is last: next to the wire on the way out, and behind mod_limits, which counts what travels, on
	-- the way in.
	add_filter(session, "bytes/out", function (data)
		if data == "" then return data; end
		return (state.deflate(data, "sync"));
	end, -10000);
	add_filter(session, "bytes/in", function (data)
		if state.broken then return nil; end
		local text, problem = inflate_read(state, data);
		if not text then
			give_up(state, problem);
			return nil;
		end
		if text == "" then return nil; end
		return text;
	end, -10000);
end

module:hook_tag(xmlns_compress, "compress", function (session, stanza)
	if not may_compress(session) then return refuse(session, "setup-failed"); end
	for method in stanza:childtags("method") do
		if method:get_text() == "zlib" then
			session.send(st.stanza("compressed", { xmlns = xmlns_compress }));
			start(session);
			session:reset_stream();
			return true;
		end
	end
	return refuse(session, "unsupported-method");
end);

-- A resumed session lives on with the new connection's filters and stream, but keeps its old way of reading, which holds
-- on to the old ones: what was compressed on either would be read by the wrong inflater.
module:hook("smacks-hibernation-end", function (event)
	local session, resumed = event.origin, event.resumed;
	if not resumed then return; end
	local state = session.stanzapack_compression;
	if not state and not resumed.stanzapack_compression then return; end
	resumed.data = session.data;
	resumed.reset_stream = session.reset_stream;
	resumed.stanzapack_compression = state;
	if state then state.session = resumed; end
	-- The way of reading closes the session that it was made for.
	function session.close(_, reason)
		return resumed:close(reason);
	end
end);
