#!/bin/bash
# usage: remove NAME...
# Removes those of the packages that are installed, with their configuration.
# apt-get refuses names that no repository knows; a package that is not there
# is as gone as it can be.
set -euo pipefail

installed=()
for name in "$@"; do
	# With its architecture, where that is not the machine's own.
	found=$(dpkg-query --show --showformat '${db:Status-Status} ${binary:Package}\n' -- "$name" 2>/dev/null || true)
	while read -r status package; do
		if [[ $status == installed || $status == config-files ]]; then
			installed+=("$package")
		fi
	done <<<"$found"
done

if [[ ${#installed[@]} -eq 0 ]]; then
	echo "bootkiln: none of the packages is installed"
	exit 0
fi
apt-get purge -y -- "${installed[@]}"
