#!/bin/bash
# usage: sections save|restore|enable FOLDER[:FOLDER]... [PATTERN | ID]...
# In the repository files of the folders, "save" remembers which repositories
# are enabled, "restore" disables all others but those that match a pattern, and
# "enable" enables some. The files of repositories say it in every version of
# DNF, and need no plugin.
set -euo pipefail

saved=${BASH_SOURCE[0]%/*}/enabled-repositories

shopt -s nullglob
IFS=: read -r -a folders <<<"$2"
files=()
for folder in "${folders[@]}"; do
	for file in "$folder"/*.repo; do
		# dnf writes this one, of the subscription to RHEL, at any time.
		[[ ${file##*/} == redhat.repo ]] || files+=("$file")
	done
done

# enabled prints "FILE ID" for each repository that is enabled.
enabled() {
	awk '
		function told() { if (id != "" && on) print file, id; id = "" }
		FNR == 1 { told(); file = FILENAME }
		/^\[.*\]/ { told(); id = $0; sub(/^\[/, "", id); sub(/\].*/, "", id); on = 1; next }
		/^enabled[ \t]*=/ { value = tolower($0); gsub(/^[^=]*=[ \t]*|[ \t\r]+$/, "", value); on = value ~ /^(1|true|yes|on)$/ }
		END { told() }' /dev/null "${files[@]}"
}

# switch FILE ID 0|1 says in the file whether the repository is enabled.
switch() {
	local text
	text=$(awk -v id="[$2]" -v on="$3" '
		/^\[/ { inside = index($0, id) == 1; print; if (inside) print "enabled=" on; next }
		inside && /^enabled[ \t]*=/ { next }
		{ print }' "$1")
	# The file keeps its mode, owner and label.
	printf '%s\n' "$text" >"$1"
}

case $1 in
save)
	enabled >"$saved"
	;;
restore)
	while read -r file id; do
		if grep -q -F -x -e "$file $id" "$saved"; then
			continue
		fi
		for pattern in "${@:3}"; do
			# The right side is a pattern.
			# shellcheck disable=SC2053
			[[ $id != $pattern ]] || continue 2
		done
		switch "$file" "$id" 0
	done < <(enabled)
	;;
enable)
	already=$(enabled)
	for id in "${@:3}"; do
		found=
		for file in "${files[@]}"; do
			if grep -q -F -x -e "[$id]" "$file"; then
				found=yes
				# A file that is as its package has it stays so.
				grep -q -F -x -e "$file $id" <<<"$already" || switch "$file" "$id" 1
			fi
		done
		if [[ -z $found ]]; then
			echo "bootkiln: the image has no repository \"$id\"" >&2
			exit 1
		fi
	done
	;;
esac
