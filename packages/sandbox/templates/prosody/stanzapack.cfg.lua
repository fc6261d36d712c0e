-- What Stanzapack recommends for Prosody 0.12. Copy it to /etc/prosody/conf.d/ and restart: it holds global settings
-- only, each of which replaces the one of the main file. `docker/README.md` has the measurements.

-- Prosody routes every stanza through short-lived Lua tables. The generational collector frees them young; with
-- `network_settings` below it is 1.6 to 1.8 times the stanzas per second on the same processor.
gc = { mode = "generational" }

-- Prosody leaves Nagle's algorithm on: a small stanza then waits for the acknowledgement of the one before, up to
-- 40 ms, and one client gets no more than 2,500 stanzas a second through to a component.
network_settings = { nagle = false }

-- Bytes per second that each client may send. The shipped 10 kB/s is chat's: a publisher of one busy service passes
-- it, and Prosody then stops reading from it for seconds. A hostile client still cannot send more than 256 kB/s.
-- `burst` is how much may come at once after a pause. Prosody 0.12 ignores it with its usual network backend (epoll).
limits = {
	c2s = { rate = "256kb/s"; burst = "4s"; };
	s2sin = { rate = "256kb/s"; burst = "4s"; };
}

-- Deliberately left as shipped:
--   c2s_stanza_size_limit (256 KiB) and component_stanza_size_limit (512 KiB): our stanzas stay below 90 kB.
--   smacks_max_queue_size (500): we keep at most 200 stanzas unacknowledged towards a client.
--   csi_simple: it holds headlines for inactive clients; our client library pauses by itself instead.
