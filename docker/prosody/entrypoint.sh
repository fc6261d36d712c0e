#!/bin/sh
# Makes secrets and accounts at the first start, then runs Prosody as its own user.
set -eu
/usr/local/bin/first-start.sh prosody
export XMPP_DOMAIN="${XMPP_DOMAIN:-localhost}"
COMPONENT_SECRET=$(cat /secret/component)
export COMPONENT_SECRET

as_prosody="setpriv --reuid=prosody --regid=prosody --init-groups"
config="--config /etc/prosody/container.cfg.lua"
for user in publisher viewer; do
	$as_prosody prosodyctl $config register "$user" "$XMPP_DOMAIN" "$(cat "/accounts/$user.password")"
done
exec $as_prosody prosody $config -F
