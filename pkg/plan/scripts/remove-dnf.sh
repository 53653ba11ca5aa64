#!/bin/bash
# usage: remove PROGRAM NAME...
# Removes those of the packages that are installed. A package that is not there
# is as gone as it can be; and what nothing needs any more stays, since a base
# that was composed has no record of what was asked for.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=rpm-installed.sh
source "${BASH_SOURCE[0]%/*}/rpm-installed.sh"

program=$1
shift

# Exactly these: a name alone would be every version and architecture of it.
installed "$@"

if [[ ${#installed[@]} -eq 0 ]]; then
	echo "bootkiln: none of the packages is installed"
	exit 0
fi
"$program" -y --setopt=clean_requirements_on_remove=False remove "${installed[@]}"
