#!/bin/bash
# usage: lock NAME...
# Holds what is installed of the packages at its version.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=problem.sh
source "${BASH_SOURCE[0]%/*}/problem.sh"

packages=()
for name in "$@"; do
	count=${#packages[@]}
	found=$(dpkg-query --show --showformat '${db:Status-Status} ${binary:Package}\n' -- "$name" 2>/dev/null || true)
	while read -r status package; do
		if [[ $status == installed ]]; then
			packages+=("$package")
		fi
	done <<<"$found"
	if [[ ${#packages[@]} -eq $count ]]; then
		problem not-installed "$name" "\"$name\" cannot be locked: no such package is installed"
	fi
done
# shellcheck disable=SC2016 # dpkg-query replaces it
known not-installed dpkg-query --show --showformat '${Package}\n'
verdict

apt-mark hold -- "${packages[@]}"
