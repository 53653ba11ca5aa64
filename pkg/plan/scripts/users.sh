#!/bin/bash
# usage: users [--user=NAME|--shell=PATH|--group=NAME]...
# Looks whether the image has what the users that it makes at boot need, and no
# account of its own by their names.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=problem.sh
source "${BASH_SOURCE[0]%/*}/problem.sh"

# account_line FILE NAME prints the line of a user or group.
account_line() {
	grep -s -m 1 -e "^$2:" "$1" || true
}

shells() { grep -s '^/' /etc/shells || true; }

group_known() {
	[[ -n $(account_line /etc/group "$1")$(account_line /usr/lib/group "$1") ]] ||
		grep -q -s -E "^[gu]!?[[:space:]]+\"?$1\"?[[:space:]]" /usr/lib/sysusers.d/*.conf /etc/sysusers.d/*.conf
}

group_names() { cut -s -d : -f 1 /etc/group; }

# Groups of the base may be in /usr/lib/group, which nss-altfiles reads.
# systemd-sysusers finds such a group to be there, and adds nobody to it, since
# it writes to /etc/group only.
adopt_group() {
	if [[ -z $(account_line /etc/group "$1") ]]; then
		account_line /usr/lib/group "$1" >>/etc/group
	fi
}

# system_account NAME: whether the image has the name for itself. A number that
# is people's is left alone: the base may come with someone. Of nobody the number
# is above theirs.
system_account() {
	local line uid
	line=$(account_line /etc/passwd "$1")
	[[ -n $line ]] || line=$(account_line /usr/lib/passwd "$1")
	uid=$(cut -s -d : -f 3 <<<"$line")
	[[ -n $uid ]] && ((uid < 1000 || uid >= 65534))
}

# subordinate NAME gives the user the numbers that containers without root need:
# sysusers.d(5), unlike useradd, knows none. They begin where Fedora's do.
subordinate() {
	local file next start count
	command -v newuidmap >/dev/null || return 0
	for file in /etc/subuid /etc/subgid; do
		[[ -z $(account_line "$file" "$1") ]] || continue
		touch "$file"
		next=524288
		while IFS=: read -r _ start count; do
			next=$((start + count > next ? start + count : next))
		done <"$file"
		printf '%s:%d:65536\n' "$1" "$next" >>"$file"
	done
}

for argument in "$@"; do
	value=${argument#*=}
	case $argument in
	--user=*) ! system_account "$value" || problem system-user "$argument" "the image has a user \"$value\" of its own; use another name" ;;
	--shell=*) [[ -x $value && ! -d $value ]] || problem unknown-shell "$argument" "there is no shell \"$value\" in the image" ;;
	--group=*) group_known "$value" || warning unknown-group "$argument" "nothing in the image has the group \"$value\": it is made at boot, and grants nothing" ;;
	esac
done
known unknown-shell shells
known unknown-group group_names
verdict

# A home is a copy of this folder, which has to be there then.
mkdir -p /etc/skel
for argument in "$@"; do
	case $argument in
	--user=*) subordinate "${argument#*=}" ;;
	--group=*) adopt_group "${argument#*=}" ;;
	esac
done
