#!/bin/bash
# usage: bootkiln-flatpak FOLDER
# Adds the remotes that FOLDER lists to flatpak, and installs the applications
# that it lists. Part of an image, whose bootkiln-flatpak.service runs it. What
# is done is recorded: an application that someone removes stays away, and one
# that a later image names is installed then. Whatever fails is left for the
# next time.
set -euo pipefail

image=$1
record=${STATE_DIRECTORY:-/var/lib/bootkiln}/flatpak-done
touch "$record"

# once WHAT COMMAND... runs a command until it has succeeded one time.
once() {
	local what=$1
	shift
	if grep -q -F -x -e "$what" "$record"; then
		return 0
	fi
	"$@" || return 1
	printf '%s\n' "$what" >>"$record"
}

# from_any APPLICATION tries the remotes in their order.
from_any() {
	local name
	for name in "${remotes[@]}"; do
		# Nobody is there to answer a question, hence no input.
		if flatpak install --system --noninteractive --assumeyes --or-update "$name" "$1" </dev/null; then
			return 0
		fi
	done
	return 1
}

failed='' remotes=()
while read -r name url; do
	remotes+=("$name")
	once "remote $name" flatpak remote-add --system --if-not-exists "$name" "$url" </dev/null || failed=1
done <"$image/remotes"
while read -r application; do
	once "application $application" from_any "$application" || failed=1
done <"$image/applications"

if [[ -n $failed ]]; then
	echo "not everything could be installed; it is tried again" >&2
	exit 1
fi
systemctl stop --no-block bootkiln-flatpak.timer
