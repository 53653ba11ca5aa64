#!/bin/bash
# usage: optional --install-recommends|--no-install-recommends NAME...
# Installs those of the packages that can be installed together, and lists in
# the image, one a line, those that cannot.
set -euo pipefail

report=/usr/share/bootkiln/optional-unavailable
install=(apt-get install -y "$1")

chosen=()
for name in "${@:2}"; do
	# The simulation needs no network, so it fails for one reason only.
	if "${install[@]}" --simulate -- "${chosen[@]}" "$name" >/dev/null 2>&1; then
		chosen+=("$name")
		continue
	fi
	echo "bootkiln: optional package \"$name\" is not available"
	mkdir -p "${report%/*}"
	printf '%s\n' "$name" >>"$report"
done

if [[ ${#chosen[@]} -gt 0 ]]; then
	"${install[@]}" -- "${chosen[@]}"
fi
