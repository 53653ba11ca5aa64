#!/bin/bash
# usage: secret-env NAME=ID... -- COMMAND...
# Runs a command that has secrets in its environment, and on no command line: a
# value is what the secret's file holds, but for one newline at its end. No
# variable here is global, since any name may be one that a secret goes to.
set -euo pipefail

export_secret() {
	local file=${BASH_SOURCE[0]%/*}/../secrets/${1#*=} value
	if [[ ! -r $file ]]; then
		echo "bootkiln: there is no secret ${1#*=} here" >&2
		exit 1
	fi
	# Nothing but a NUL byte lets "read" succeed: at the end of the file it fails.
	if LC_ALL=C IFS='' read -r -d '' value <"$file"; then
		echo "bootkiln: secret ${1#*=} has NUL bytes, which no variable can hold; read it from /run/secrets/${1#*=}" >&2
		exit 1
	fi
	declare -gx "${1%%=*}=${value%$'\n'}"
}

while [[ $1 != -- ]]; do
	export_secret "$1"
	shift
done
shift
exec "$@"
