#!/bin/bash
# usage: repos ROOT [--mounted] [--key=FILE=URL]... [--debian=PART]... [--exclude=NAME]...
# Sets up repositories of apt below ROOT: /etc/apt for those that the image
# keeps, else a folder of the step with what the image has in it as well.
#   --key      fetches the key of a repository into ROOT/keyrings/FILE
#   --debian   adds a part of Debian (contrib, backports, ...) from where the
#              image has Debian's main part from
#   --exclude  never installs a package
set -euo pipefail

root=$1
shift
here=${BASH_SOURCE[0]%/*}
mkdir -p "$root/sources.list.d" "$root/preferences.d" "$root/keyrings"

debian=$root/sources.list.d/bootkiln-debian.sources
if [[ $root != /etc/apt ]]; then
	# Beside the one that the image may keep.
	debian=$root/sources.list.d/bootkiln-build.sources
	shopt -s nullglob
	for file in /etc/apt/sources.list.d/*.{sources,list} "$here"/repos/*.{sources,list}; do
		cp "$file" "$root/sources.list.d/"
	done
	for file in /etc/apt/preferences.d/* "$here"/repos/*.pref; do
		cp "$file" "$root/preferences.d/"
	done
fi

# fetch_key FILE URL: apt goes by the suffix, and addresses have both kinds.
fetch_key() {
	/bin/bash "$here/fetch.sh" "$1" "$2"
	if ! grep -q -a -e '-----BEGIN PGP PUBLIC KEY BLOCK-----' "$1"; then
		local binary
		binary=$(base64 "$1")
		printf '%s\n' '-----BEGIN PGP PUBLIC KEY BLOCK-----' '' "$binary" '-----END PGP PUBLIC KEY BLOCK-----' >"$1"
	fi
	chmod 0644 "$1"
}

parts=()
backports=
for option in "$@"; do
	value=${option#*=}
	case $option in
	--mounted) ;;
	--key=*) fetch_key "$root/keyrings/${value%%=*}" "${value#*=}" ;;
	--debian=backports) backports=yes ;;
	--debian=*) parts+=("$value") ;;
	--exclude=*) printf 'Package: %s\nPin: release *\nPin-Priority: -1\n\n' "$value" >>"$root/preferences.d/bootkiln-exclude.pref" ;;
	*)
		echo "bootkiln: unknown option \"$option\"" >&2
		exit 1
		;;
	esac
done
[[ ${#parts[@]} -gt 0 || -n $backports ]] || exit 0

# Where the image has what from.
apt-get update
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
# The names are apt's own.
# shellcheck disable=SC2016
known=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)' 'Created-By: Packages' | LC_ALL=C sort -u)

# stanza URI SUITE KEY COMPONENT... writes those that the image has not.
stanza() {
	local uri=$1 suite=$2 key=$3 component missing=()
	for component in "${@:4}"; do
		grep -q -F -e "$uri $suite $component " <<<"$known" || missing+=("$component")
	done
	[[ ${#missing[@]} -gt 0 ]] || return 0
	printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\n' "$uri" "$suite" "${missing[*]}"
	# It is a name in dollars where the image names no key.
	[[ $key != /* ]] || printf 'Signed-By: %s\n' "$key"
	printf '\n'
}

found=
while read -r uri suite component key; do
	[[ $component == main && ($suite == "$codename" || $suite == "$codename"-*) ]] || continue
	found=yes
	[[ ${#parts[@]} -eq 0 ]] || stanza "$uri" "$suite" "$key" "${parts[@]}"
	if [[ -n $backports && $suite == "$codename" ]]; then
		stanza "$uri" "$codename-backports" "$key" main "${parts[@]}"
	fi
done <<<"$known" >"$debian"

if [[ -z $found ]]; then
	echo "bootkiln: the image has no repository of Debian $codename that has the part \"main\"" >&2
	exit 1
fi
