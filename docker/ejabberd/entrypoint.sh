#!/bin/sh
# Makes secrets and accounts at the first start, and runs ejabberd as its own user until SIGTERM.
set -eu
/usr/local/bin/first-start.sh ejabberd
domain=${XMPP_DOMAIN:-localhost}

install -d -m 0770 -o root -g ejabberd /run/ejabberd
secret=$(cat /secret/component)
components="\"streams.$domain\": { password: \"$secret\" }"
# compose.nodes.yml sets XMPP_NODES.
for node in $(seq 2 "${XMPP_NODES:-1}"); do
	components="$components, \"streams$node.$domain\": { password: \"$secret\" }"
done
sed -e "s/@XMPP_DOMAIN@/$domain/g" -e "s/\"@COMPONENTS@\"/$components/" \
	/etc/ejabberd/container.yml >/run/ejabberd/ejabberd.yml.new
chown root:ejabberd /run/ejabberd/ejabberd.yml.new
chmod 0640 /run/ejabberd/ejabberd.yml.new
mv /run/ejabberd/ejabberd.yml.new /run/ejabberd/ejabberd.yml

ctl() { setpriv --reuid=ejabberd --regid=ejabberd --init-groups env HOME=/var/lib/ejabberd ejabberdctl "$@"; }

ctl foreground &
trap 'ctl stop' TERM INT
ctl started
# It fails if the account is there, after the first start.
register() { ctl register "$1" "$domain" "$(cat "$2")" || true; }
register publisher /accounts/publisher.password
register viewer /accounts/viewer.password
register dashboard /dashboard/password
# The first wait ends with the signal, the second with ejabberd.
wait || true
wait
