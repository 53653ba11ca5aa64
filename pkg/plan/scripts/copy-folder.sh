#!/bin/bash
# usage: copy-folder DESTINATION [OWNER]
# Copies what is in the mounted folder into DESTINATION. Folders that the image
# has keep their mode and owner, and links that lead to one are followed: COPY
# would give the ones the modes of the project, and put folders in the place of
# the others.
set -euo pipefail

destination=${1%/}
owner=${2-}
umask 022

cd /run/bootkiln/files
while IFS= read -r -d '' folder; do
	into=$destination/${folder#.}
	if [[ ! -d $into ]]; then
		# A link may lead to a folder that exists on booted systems only.
		into=$(readlink -m -- "$into")
		mkdir -p -- "$into"
		[[ -z $owner ]] || chown -- "$owner" "$into"
	fi
	find "$folder" -mindepth 1 -maxdepth 1 ! -type d \
		-exec cp --no-dereference --preserve=mode,timestamps --remove-destination --target-directory="$into" -- {} +
	if [[ -n $owner ]]; then
		find "$folder" -mindepth 1 -maxdepth 1 ! -type d -printf '%f\0' |
			(cd "$into" && xargs --null --no-run-if-empty chown --no-dereference -- "$owner")
	fi
done < <(find . -type d -print0)
