#!/bin/sh
# Runs Redis or its sentinel. The arguments: `redis NAME [PRIMARY]`, whose name others reach it by, and whose replica it
# is at first; or `sentinel PRIMARY`. Ends with 1 until the server has made the password; the engine then starts it
# again.
set -eu
umask 077
[ -s /secret/redis ] || { echo "/secret/redis is not there yet" >&2; exit 1; }
password=$(cat /secret/redis)

# The sentinel rewrites both files after a failover. So a later start keeps them.
write_redis() {
	echo "include /etc/redis/stanzapack.conf"
	echo "dir /data"
	echo "requirepass $password"
	echo "masterauth $password"
	echo "replica-announce-ip $1"
	[ -z "${2:-}" ] || echo "replicaof $2 6379"
}
write_sentinel() {
	echo "port 26379"
	echo "dir /data"
	# Containers get other addresses, and keep their names.
	echo "sentinel resolve-hostnames yes"
	echo "sentinel announce-hostnames yes"
	echo "sentinel monitor stanzapack $1 6379 1"
	echo "sentinel auth-pass stanzapack $password"
	echo "sentinel down-after-milliseconds stanzapack 5000"
	echo "sentinel failover-timeout stanzapack 30000"
}

kind=$1
shift
file=/data/$kind.conf
if [ ! -s "$file" ]; then
	"write_$kind" "$@" >"$file.new"
	mv "$file.new" "$file"
fi
if [ "$kind" = sentinel ]; then exec redis-server "$file" --sentinel; fi
exec redis-server "$file"
