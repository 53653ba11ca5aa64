#!/bin/bash
# usage: resolve COMMAND... [--instead=TEXT] [--install=NAME | --doubtful=NAME | --group=NAME]... [--optional=NAME]... [--remove=NAME]... [--lock=NAME]... [--excluded=NAME]...
# Says which of the names apt does not know. COMMAND is the one that will
# install.
set -euo pipefail
export LC_ALL=C

# shellcheck source-path=SCRIPTDIR source=problem.sh
source "${BASH_SOURCE[0]%/*}/problem.sh"
# shellcheck source-path=SCRIPTDIR source=question.sh
source "${BASH_SOURCE[0]%/*}/question.sh"

take_question "$@"
# Groups are tasks, which are packages.
tasks=("${groups[@]#@}")

if ! answer=$(apt-get update 2>&1); then
	unreadable "$(grep '^[EW]: ' <<<"$answer" || echo "$answer")"
fi

# ask NAME... sets $answer to what apt says of installing them. It names all
# that it does not know, and only then thinks about what fits together: that
# is for the installation to say.
ask() { answer=$("${command[@]}" --simulate -- "$@" 2>&1) || true; }

# judge SAY OPTION NAME...: says it with SAY, which is problem or note.
judge() {
	local say=$1 option=$2 name stem
	shift 2
	for name in "$@"; do
		stem=${name%%[=/]*}
		if said "E: Unable to locate package $stem" || said "E: Couldn't find any package by glob '$stem'"; then
			"$say" unknown-package "$option$name" "no repository has the package \"$stem\"${instead[$name]:+: ${instead[$name]}}"
		elif said "E: Package '$stem' has no installation candidate"; then
			"$say" unknown-package "$option$name" "no repository has the package \"$stem\" itself, though others name it"
		elif [[ $name == *=* ]] && said "E: Version '${name#*=}' for '$stem' was not found"; then
			"$say" unknown-version "$option$name" "no repository has version \"${name#*=}\" of the package \"$stem\""
		elif [[ $name == */* ]] && said "E: Release '${name#*/}' for '$stem' was not found"; then
			"$say" unknown-version "$option$name" "no repository has the package \"$stem\" of the release \"${name#*/}\""
		fi
	done
}

if [[ ${#install[@]} -gt 0 || ${#doubtful[@]} -gt 0 || ${#tasks[@]} -gt 0 ]]; then
	ask "${install[@]}" "${doubtful[@]}" "${tasks[@]}"
	judge problem --doubtful= "${doubtful[@]}"
	judge problem --install= "${install[@]}"
	judge problem --group=@ "${tasks[@]}"
fi
if [[ ${#optional[@]} -gt 0 ]]; then
	ask "${optional[@]}"
	judge note --optional= "${optional[@]}"
fi

# available NAME: whether a repository has it, or any that the pattern means.
# shellcheck disable=SC2317 # it is called by "found"
available() {
	local line
	if [[ $1 != *[*?[]* ]]; then
		grep -q -F -x -e "$1" < <(apt-cache pkgnames)
		return
	fi
	while read -r line; do
		# The right side is a pattern as it stands there.
		# shellcheck disable=SC2053
		[[ $line != $1 ]] || return 0
	done < <(apt-cache pkgnames)
	return 1
}

# found NAME: whether it is installed, or can be.
# shellcheck disable=SC2317 # it is a command of "judge_others"
found() { dpkg-query --show -- "$1" >/dev/null 2>&1 || available "${1%%[:=/]*}"; }

judge_others found

known unknown-package apt-cache pkgnames
answered
