#!/bin/bash
# usage: units system|user [NAME | --mask=NAME]...
# Looks whether the image has units of those names. systemctl, which follows,
# stops at the first one that it does not find; but it masks what is not there,
# which may be meant, and may be misspelt.
set -euo pipefail
shopt -s nullglob

# shellcheck source-path=SCRIPTDIR source=problem.sh
source "${BASH_SOURCE[0]%/*}/problem.sh"

kind=$1
shift
folders=("/etc/systemd/$kind" "/usr/local/lib/systemd/$kind" "/usr/lib/systemd/$kind")
[[ $kind == system ]] || folders+=(/usr/local/share/systemd/user /usr/share/systemd/user)

unit_names() {
	local folder file
	for folder in "${folders[@]}"; do
		for file in "$folder"/*.*; do
			[[ -d $file ]] || printf '%s\n' "${file##*/}"
		done
	done | LC_ALL=C sort -u
}

exists() {
	local folder name=$1 template
	template=${name%%@*}@.${name##*.}
	for folder in "${folders[@]}"; do
		[[ ! -e $folder/$name && ! -e $folder/$template ]] || return 0
	done
	# What Debian has as a script for init alone becomes a unit at boot.
	[[ $kind == system && -x /etc/init.d/${name%.service} ]]
}

# other_name NAME prints the unit that NAME stands for where enabling that unit
# has made it a name of it. systemctl enables no such name, and disabling it
# leaves the unit enabled.
other_name() {
	local target
	target=$(readlink -- "/etc/systemd/$kind/$1") || return 0
	target=${target##*/}
	[[ $target == "$1" || $target == null ]] || printf '%s\n' "$target"
}

for argument in "$@"; do
	name=${argument#--mask=}
	if exists "$name"; then
		real=$(other_name "$name")
		# What is masked is the name alone, which may be meant.
		[[ -z $real || $argument == --mask=* ]] ||
			problem other-name "$argument" "\"$name\" is another name of \"$real\"; write that"
	elif [[ $argument == --mask=* ]]; then
		warning unknown-unit "$argument" "there is no unit \"$name\" in the image; it is masked all the same"
	else
		problem unknown-unit "$argument" "there is no unit \"$name\" in the image"
	fi
done
known unknown-unit unit_names
verdict
