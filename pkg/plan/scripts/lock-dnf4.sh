#!/bin/bash
# usage: lock plugin COMMAND... | lock list FILE NAME...
# With "plugin", makes sure that DNF has its plugin for locks, with the command
# that installs; without it, the list is a file that nobody reads. With "list",
# adds what is installed of the packages to it, at its version.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=rpm-installed.sh
source "${BASH_SOURCE[0]%/*}/rpm-installed.sh"
# shellcheck source-path=SCRIPTDIR source=problem.sh
source "${BASH_SOURCE[0]%/*}/problem.sh"

case $1 in
plugin)
	for folder in /usr/lib/python3*/site-packages /usr/lib/python3/dist-packages; do
		if [[ -e $folder/dnf-plugins/versionlock.py ]]; then
			exit 0
		fi
	done
	exec "${@:2}" 'dnf-command(versionlock)'
	;;
list)
	list=$2
	lockable "${@:3}"
	mkdir -p "${list%/*}"
	touch "$list"
	for package in "${installed[@]}"; do
		# Of every architecture, as the plugin itself writes it.
		line="${package%.*}.*"
		grep -q -F -x -e "$line" "$list" || printf '%s\n' "$line" >>"$list"
	done
	;;
esac
