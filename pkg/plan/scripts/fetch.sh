#!/bin/bash
# usage: fetch FILE URL [SHA256]
# Fetches what is at the address with whatever the image has for it, and leaves
# no file whose digest is another.
set -euo pipefail

file=$1 url=$2 sum=${3-}

mkdir -p "${file%/*}"
if command -v curl >/dev/null; then
	# What is asked for over https is not taken from where anyone can change it.
	only=()
	[[ $url != https:* ]] || only=(--proto-redir "=https")
	curl --fail --silent --show-error --location --retry 3 "${only[@]}" --output "$file" -- "$url"
elif command -v python3 >/dev/null; then
	python3 -c 'import shutil, sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=60) as source, open(sys.argv[2], "wb") as file:
    shutil.copyfileobj(source, file)' "$url" "$file"
elif [[ -x /usr/lib/apt/apt-helper ]]; then
	/usr/lib/apt/apt-helper download-file "$url" "$file"
else
	echo "bootkiln: the image has none of curl, python3 and apt to fetch $url with" >&2
	exit 1
fi

if [[ -n $sum ]] && ! sha256sum --check --status <<<"$sum  $file"; then
	found=$(sha256sum <"$file")
	rm "$file"
	echo "bootkiln: what is at $url has the SHA-256 digest ${found%% *}, and not $sum" >&2
	exit 1
fi
