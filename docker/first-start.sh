#!/bin/sh
# Makes what is in no repository, unless it is there: the component's secret, passwords of accounts and of Redis,
# the dashboard's token, and a certificate.
# Runs as root in the server's container, before the server. The argument is the server's group, which may read the key.
set -eu
umask 077
group=$1
domain=${XMPP_DOMAIN:-localhost}
# The user of the component's image.
reader=10001

# The name is there only once the content is complete: other containers wait for it.
make_secret() {
	[ -s "$1" ] && return
	openssl rand -hex 16 >"$1.new"
	chown "$reader:$reader" "$1.new"
	chmod 0400 "$1.new"
	mv "$1.new" "$1"
}

# An authority for this installation, whose key is deleted, and a certificate for clients on this machine.
make_certificate() {
	[ -s /tls/server.pem ] && return
	new="openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 398 -config /dev/null"
	names="DNS:localhost,DNS:$domain,DNS:streams.$domain,IP:127.0.0.1"
	$new -subj "/CN=Stanzapack trial authority" -keyout /tls/ca-key.pem -out /tls/ca.pem \
		-addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign
	$new -subj "/CN=$domain" -CA /tls/ca.pem -CAkey /tls/ca-key.pem \
		-addext "subjectAltName=$names" -addext basicConstraints=critical,CA:FALSE \
		-addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth \
		-keyout /tls/server-key.pem -out /tls/server.pem.new
	rm /tls/ca-key.pem
	chown "root:$group" /tls/server-key.pem
	chmod 0640 /tls/server-key.pem
	chmod 0644 /tls/ca.pem /tls/server.pem.new
	mv /tls/server.pem.new /tls/server.pem
}

make_secret /secret/component
# For compose.nodes.yml.
make_secret /secret/redis
make_secret /accounts/publisher.password
make_secret /accounts/viewer.password
make_secret /dashboard/token
make_secret /dashboard/password
make_certificate
chmod 0755 /secret /accounts /dashboard /tls
