#!/bin/bash
# usage: rpm-keys save | rpm-keys restore FOLDER[:FOLDER]...
# dnf puts the key of a repository that it installs from into rpm's database,
# where it vouches for any package. "save" remembers which keys are there, and
# "restore" erases all others but those of the repositories that the image has
# enabled, in the files of the folders.
set -euo pipefail

here=${BASH_SOURCE[0]%/*}
saved=$here/trusted-keys
database=$here/keys-of-repositories

# trusted [OPTION]... prints "ID-TIME" for each key of a database.
trusted() { rpm "$@" -qa --queryformat '%{version}-%{release}\n' gpg-pubkey; }

# addresses prints those of the keys of all repositories that are enabled. A
# list may go on in indented lines.
addresses() {
	awk '
		function told() { if (on) print keys; on = 0; keys = "" }
		FNR == 1 { told(); more = 0 }
		/^\[/ { told(); on = 1; more = 0; next }
		/^[#;]/ { next }
		/^[ \t]/ { if (more) keys = keys " " $0; next }
		{ more = 0 }
		/^enabled[ \t]*=/ { value = tolower($0); gsub(/^[^=]*=[ \t]*|[ \t\r]+$/, "", value); on = value ~ /^(1|true|yes|on)$/ }
		/^gpgkey[ \t]*=/ { sub(/^[^=]*=/, ""); keys = $0; more = 1 }
		END { told() }' /dev/null "${files[@]}" | tr -s ', \t\r' '\n' | sed '/^$/d' | sort -u
}

# unknown sets the array "strange" to the added keys that are not in $database.
unknown() {
	local key known=''
	[[ ! -e $database ]] || known=$(trusted --dbpath "$database")
	strange=()
	for key in "${added[@]}"; do
		# The time is that of the latest signature, so files differ in it.
		[[ $'\n'$known == *$'\n'"${key%-*}-"* ]] || strange+=("$key")
	done
}

# know FILE|ADDRESS adds keys to $database.
know() {
	rpmkeys --dbpath "$database" --import "$1" ||
		echo "bootkiln: the key \"$1\" of a repository of the image cannot be read" >&2
}

case $1 in
save)
	trusted >"$saved"
	;;
restore)
	shopt -s nullglob extglob
	all=$(trusted)
	mapfile -t added < <(grep -v -F -x -f "$saved" <<<"$all" | sed '/^$/d')
	IFS=: read -r -a folders <<<"$2"
	files=()
	for folder in "${folders[@]}"; do
		files+=("$folder"/*.repo)
	done
	mapfile -t keys < <(addresses)

	unknown
	if [[ ${#strange[@]} -gt 0 ]]; then
		for key in "${keys[@]}"; do
			[[ $key == file://* ]] || continue
			# Which values dnf's variables have does not matter: such files come
			# with the distribution, or with the package of the repository.
			path=${key#file://} path=${path//\$?(\{)*([A-Za-z0-9_])?(\})/*}
			for file in $path; do
				[[ ! -e $file ]] || know "$file"
			done
		done
		unknown
	fi
	if [[ ${#strange[@]} -gt 0 ]]; then
		for key in "${keys[@]}"; do
			[[ $key == file://* || $key == *'$'* ]] || know "$key"
		done
		unknown
	fi
	for key in "${strange[@]}"; do
		# RPM 6 has a command of its own for it.
		rpm -e "gpg-pubkey-$key" || rpmkeys --delete "${key%-*}"
	done
	;;
esac
