#!/bin/bash
# usage: entitlement open REPOSITORIES [FOLDER] | entitlement close REPOSITORIES
# Keeps a RHEL subscription out of the image: the file of repositories that dnf
# makes from its certificates, with its numbers, is put back as it was. On a
# host that is registered, dnf has the certificates of the host. Where they are
# a secret, "open" puts them into a folder that is in memory: the secret is a
# tar archive of a folder, or one file with a certificate and its key.
set -euo pipefail

repos=$2
secret=${BASH_SOURCE[0]%/*}/entitlement
before=${BASH_SOURCE[0]%/*}/redhat.repo

case $1 in
open)
	if [[ -e $repos ]]; then
		cp --preserve=all "$repos" "$before"
	fi
	if [[ $# -gt 2 ]]; then
		umask 077
		if grep -q -a -m 1 '^-----BEGIN' "$secret" && ! tar --list --file "$secret" >/dev/null 2>&1; then
			install -m 0600 "$secret" "$3/bootkiln.pem"
			install -m 0600 "$secret" "$3/bootkiln-key.pem"
		else
			tar --extract --file "$secret" --directory "$3" --no-same-owner --no-same-permissions
		fi
	fi
	;;
close)
	rm -f "$repos"
	if [[ -e $before ]]; then
		cp --preserve=all "$before" "$repos"
	fi
	;;
esac
