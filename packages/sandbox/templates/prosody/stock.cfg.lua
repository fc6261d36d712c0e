-- What Debian 12 ships as /etc/prosody/prosody.cfg.lua (Prosody 0.12.3), without its comments, paths and hosts.
-- Two modules are added, since without them there is no BOSH and no WebSocket at all.

admins = { }

plugin_paths = { "/usr/local/lib/prosody/modules" }

modules_enabled = {
	"disco"; "roster"; "saslauth"; "tls";
	"blocklist"; "bookmarks"; "carbons"; "dialback"; "limits"; "pep"; "private"; "smacks"; "vcard4"; "vcard_legacy";
	"csi_simple"; "invites"; "invites_adhoc"; "invites_register"; "ping"; "register"; "time"; "uptime"; "version";
	"admin_adhoc"; "admin_shell";
	"posix";
	"bosh"; "websocket"; -- added
}

modules_disabled = { }

s2s_secure_auth = true

limits = {
	c2s = { rate = "10kb/s"; };
	s2sin = { rate = "30kb/s"; };
}

authentication = "internal_hashed"

archive_expires_after = "1w"
