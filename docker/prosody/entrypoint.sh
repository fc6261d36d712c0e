#!/bin/sh
# Makes secrets and accounts at the first start, then runs Prosody as its own user.
set -eu
/usr/local/bin/first-start.sh prosody
export XMPP_DOMAIN="${XMPP_DOMAIN:-localhost}"
COMPONENT_SECRET=$(cat /secret/component)
export COMPONENT_SECRET

as_prosody="setpriv --reuid=prosody --regid=prosody --init-groups"
config="--config /etc/prosody/container.cfg.lua"
register() { $as_prosody prosodyctl $config register "$1" "$XMPP_DOMAIN" "$(cat "$2")"; }
register publisher /accounts/publisher.password
register viewer /accounts/viewer.password
register dashboard /dashboard/password
exec $as_prosody prosody $config -F
