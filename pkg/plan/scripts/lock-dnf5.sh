#!/bin/bash
# usage: lock FILE NAME...
# Adds what is installed of the packages, at its version, to the file of locks
# that DNF 5 itself reads.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=rpm-installed.sh
source "${BASH_SOURCE[0]%/*}/rpm-installed.sh"
# shellcheck source-path=SCRIPTDIR source=problem.sh
source "${BASH_SOURCE[0]%/*}/problem.sh"

list=$1
lockable "${@:2}"

mkdir -p "${list%/*}"
[[ -s $list ]] || printf 'version = "1.0"\n' >"$list"
declare -A seen=()
for package in "${installed[@]}"; do
	package=${package%.*}
	# The same of another architecture says nothing new.
	[[ -z ${seen[$package]-} ]] || continue
	seen[$package]=yes
	# name-epoch:version-release; neither of the last two has a "-".
	release=${package##*-} rest=${package%-*}
	printf '\n[[packages]]\nname = "%s"\n[[packages.conditions]]\nkey = "evr"\ncomparator = "="\nvalue = "%s-%s"\n' \
		"${rest%-*}" "${rest##*-}" "$release" >>"$list"
done
