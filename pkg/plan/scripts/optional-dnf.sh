#!/bin/bash
# usage: optional NAME...
# Lists in the image, one a line, those of the packages that are not installed.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=rpm-installed.sh
source "${BASH_SOURCE[0]%/*}/rpm-installed.sh"

report=/usr/share/bootkiln/optional-unavailable

for name in "$@"; do
	installed "$name"
	# It may also be something that a package provides.
	if [[ ${#installed[@]} -gt 0 ]] || rpm -q --whatprovides -- "$name" >/dev/null 2>&1; then
		continue
	fi
	echo "bootkiln: optional package \"$name\" is not available"
	mkdir -p "${report%/*}"
	printf '%s\n' "$name" >>"$report"
done
