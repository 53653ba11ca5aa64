#!/bin/bash
# usage: users [--shell=PATH|--group=NAME]...
# Looks whether the image has what the users that it makes at boot need.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=problem.sh
source "${BASH_SOURCE[0]%/*}/problem.sh"

# in_group_file FILE NAME prints the group's line.
in_group_file() {
	grep -s -m 1 -e "^$2:" "$1" || true
}

shells() { grep -s '^/' /etc/shells || true; }

group_known() {
	[[ -n $(in_group_file /etc/group "$1")$(in_group_file /usr/lib/group "$1") ]] ||
		grep -q -s -E "^[gu]!?[[:space:]]+\"?$1\"?[[:space:]]" /usr/lib/sysusers.d/*.conf /etc/sysusers.d/*.conf
}

group_names() { cut -s -d : -f 1 /etc/group; }

# Groups of the base may be in /usr/lib/group, which nss-altfiles reads.
# systemd-sysusers finds such a group to be there, and adds nobody to it, since
# it writes to /etc/group only.
adopt_group() {
	if [[ -z $(in_group_file /etc/group "$1") ]]; then
		in_group_file /usr/lib/group "$1" >>/etc/group
	fi
}

for argument in "$@"; do
	value=${argument#*=}
	case $argument in
	--shell=*) [[ -x $value && ! -d $value ]] || problem unknown-shell "$argument" "there is no shell \"$value\" in the image" ;;
	--group=*) group_known "$value" || warning unknown-group "$argument" "nothing in the image has the group \"$value\": it is made at boot, and grants nothing" ;;
	esac
done
known unknown-shell shells
known unknown-group group_names
verdict

for argument in "$@"; do
	[[ $argument != --group=* ]] || adopt_group "${argument#*=}"
done
