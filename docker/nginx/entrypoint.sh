#!/bin/sh
# Fills in the lines of stanzapack.conf that operators edit, and runs nginx. Ends with 1 until the server has made the
# certificate and the token; the engine then starts it again.
set -eu
for file in /tls/server.pem /dashboard/token; do
	[ -s "$file" ] || { echo "$file is not there yet" >&2; exit 1; }
done
sed -e 's|server 127.0.0.1:5280;|server xmpp:5280;|' \
	-e "s|server_name example.org;|server_name ${XMPP_DOMAIN:-localhost};|" \
	-e 's|/etc/ssl/example.org.pem|/tls/server.pem|' \
	-e 's|/etc/ssl/example.org.key|/tls/server-key.pem|' \
	/etc/nginx/stanzapack.conf >/etc/nginx/conf.d/stanzapack.conf
echo "Open the dashboard: http://localhost:${DASHBOARD_PORT:-9465}/?token=$(cat /dashboard/token)"
exec nginx -g 'daemon off; error_log /dev/stderr notice;'
