#!/bin/bash
# usage: trust SCOPE
# Puts the signature policy for SCOPE into the image, together with what the
# image's own policy says of other images.
set -euo pipefail

policy=/etc/containers/policy.json
ours=/run/bootkiln/policy.json

# What the package containers-common brings on distributions that demand
# nothing, without blanks.
accepts_all() {
	case $(tr -d '[:space:]' <"$policy") in
	'{"default":[{"type":"insecureAcceptAnything"}]}' | \
		'{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker-daemon":{"":[{"type":"insecureAcceptAnything"}]}}}') ;;
	*) return 1 ;;
	esac
}

mkdir -p "${policy%/*}"
if [[ ! -e $policy ]] || accepts_all; then
	install -m 0644 "$ours" "$policy"
elif command -v python3 >/dev/null; then
	# What it writes stays out of the image where it fails.
	python3 /run/bootkiln/trust-merge.py "$1" "$policy" "$ours" >/run/bootkiln/merged
	install -m 0644 /run/bootkiln/merged "$policy"
else
	echo "bootkiln: the image has a signature policy, $policy, and no python3 to join it with the one for \"$1\": add python3 to packages.install, or remove the file in a base of your own" >&2
	exit 1
fi
