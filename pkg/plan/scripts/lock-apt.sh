#!/bin/bash
# usage: lock NAME...
# Holds what is installed of the packages at its version.
set -euo pipefail

for name in "$@"; do
	packages=()
	found=$(dpkg-query --show --showformat '${db:Status-Status} ${binary:Package}\n' -- "$name" 2>/dev/null || true)
	while read -r status package; do
		if [[ $status == installed ]]; then
			packages+=("$package")
		fi
	done <<<"$found"
	if [[ ${#packages[@]} -eq 0 ]]; then
		echo "bootkiln: \"$name\" cannot be locked: no such package is installed" >&2
		exit 1
	fi
	apt-mark hold -- "${packages[@]}"
done
