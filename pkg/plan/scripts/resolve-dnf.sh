#!/bin/bash
# usage: resolve COMMAND... [--instead=TEXT] [--install=NAME | --doubtful=NAME]... [--group=NAME]... [--optional=NAME]... [--remove=NAME]... [--lock=NAME]... [--excluded=NAME]...
# Says which of the names DNF does not know. COMMAND is the one that will
# install, up to its options.
set -euo pipefail
export LC_ALL=C

# shellcheck source-path=SCRIPTDIR source=problem.sh
source "${BASH_SOURCE[0]%/*}/problem.sh"
# shellcheck source-path=SCRIPTDIR source=question.sh
source "${BASH_SOURCE[0]%/*}/question.sh"
# shellcheck source-path=SCRIPTDIR source=rpm-installed.sh
source "${BASH_SOURCE[0]%/*}/rpm-installed.sh"

take_question "$@"
generation=4
[[ ${command[0]} != *dnf5 ]] || generation=5

# dnf ARGUMENT... runs another command with the options of the one that will
# install.
dnf() {
	local word line=()
	for word in "${command[@]}"; do
		[[ $word == install ]] || line+=("$word")
	done
	# "command", since this function has the name of a program.
	command "${line[@]}" "$@"
}

# read_repositories [OPTION]... fills the cache. DNF 4 ends well with
# repositories that it was told to do without.
read_repositories() {
	answer=$(dnf makecache -y "$@" 2>&1) || unreadable "$(grep -E '^Error|^Failed|^ *>>>|^ +- ' <<<"$answer" || echo "$answer")"
}

# ask NAME... sets $answer to what DNF says of installing them. It names all
# that it does not know, and only then thinks about what fits together: that is
# for the installation to say.
ask() { answer=$(dnf install --assumeno "$@" 2>&1) || true; }

# judge SAY KIND WORD...: says it with SAY, which is problem or note. DNF 4 and
# DNF 5 word it each in their way.
judge() {
	local say=$1 kind=$2 word name what=package
	shift 2
	for word in "$@"; do
		name=${word#@}
		[[ $word == "$name" ]] || what=group
		if said "No match for argument: $name" || said "Module or Group '$name' is not available."; then
			"$say" "unknown-$what" "$kind=$word" "no repository has the $what \"$name\"${instead[$word]:+: ${instead[$word]}}"
		elif said "All matches were filtered out by exclude filtering for argument: $name" || said "Argument '$name' matches only excluded packages."; then
			"$say" excluded-package "$kind=$word" "all packages that are \"$name\" are excluded"
		elif said "All matches were filtered out by modular filtering for argument: $name"; then
			"$say" excluded-package "$kind=$word" "all packages that are \"$name\" are in modules that are not enabled"
		elif said "Argument '$name' matches only source packages."; then
			"$say" unknown-package "$kind=$word" "\"$name\" is the name of source packages only"
		fi
	done
}

# shellcheck disable=SC2317 # it is a command of "known"
package_names() { dnf repoquery -q --qf '%{name}\n' | LC_ALL=C sort -u; }

# group_names prints IDs and names, a line each. DNF 4 writes "   Name (id)"
# below headings; DNF 5 has a table, and one of environments.
group_names() {
	if [[ $generation == 5 ]]; then
		{
			dnf group list -q --hidden
			dnf environment list -q
		} | sed -E -n '/^ID /d; s/ +(yes|no)$//; s/^([^ ]+) +(.*)/\1\n\2/p'
	else
		dnf group list -v --hidden | sed -E -n 's/^ +(.*) \(([^()]+)\)$/\1\n\2/p'
	fi
}

# ask_groups NAME...: the same as ask, on its own since DNF 4 stops at a group,
# and says nothing of packages. DNF 5 takes IDs only: groups-dnf5.sh puts them
# in the place of names.
ask_groups() {
	local word name all
	if [[ $generation != 5 ]]; then
		ask "$@"
		return
	fi
	answer='' all=$(group_names)
	for word in "$@"; do
		name=${word#@}
		while read -r line; do
			# The right side is a pattern as it stands there.
			# shellcheck disable=SC2053
			[[ $line != $name ]] || continue 2
		done <<<"$all"
		answer+="No match for argument: $name"$'\n'
	done
}

# found NAME: whether it is installed, or in a repository, also where it is
# excluded.
# shellcheck disable=SC2317 # it is a command of "judge_others"
found() {
	local word all=()
	installed "$1"
	[[ ${#installed[@]} -eq 0 ]] || return 0
	for word in "${command[@]}"; do
		[[ $word == --exclude=* ]] || all+=("$word")
	done
	local command=("${all[@]}")
	grep -q . < <(dnf repoquery -q "$1")
}

read_repositories
if [[ ${#install[@]} -gt 0 || ${#doubtful[@]} -gt 0 ]]; then
	ask "${install[@]}" "${doubtful[@]}"
	judge problem --doubtful "${doubtful[@]}"
	judge problem --install "${install[@]}"
fi
if [[ ${#groups[@]} -gt 0 ]]; then
	ask_groups "${groups[@]}"
	judge problem --group "${groups[@]}"
fi
if [[ ${#optional[@]} -gt 0 ]]; then
	ask "${optional[@]}"
	judge note --optional "${optional[@]}"
fi
judge_others found
if [[ $problems -gt 0 ]]; then
	# What is unknown may be in a repository that was left out.
	read_repositories '--setopt=*.skip_if_unavailable=False'
fi

known unknown-package package_names
known unknown-group group_names
answered
