#!/bin/bash
# usage: repos ROOT [--mounted] [--key=FILE=URL]... [--pin=ID=HOST]... [--debian=PART]... [--exclude=NAME]...
# Sets up repositories of apt below ROOT: /etc/apt for those that the image
# keeps, else a folder of the step with what the image has in it as well.
#   --key      fetches the key of a repository into ROOT/keyrings/FILE
#   --pin      has the pin of the repository in ID.sources mean that one only
#   --debian   adds a part of Debian (contrib, backports, ...) from where the
#              image has Debian's main part from
#   --exclude  never installs a package
set -euo pipefail

root=$1
shift
here=${BASH_SOURCE[0]%/*}
mkdir -p "$root/sources.list.d" "$root/preferences.d" "$root/keyrings"

debian=$root/sources.list.d/bootkiln-debian
if [[ $root != /etc/apt ]]; then
	# Beside the one that the image may keep.
	debian=$root/sources.list.d/bootkiln-build
	shopt -s nullglob
	for file in /etc/apt/sources.list.d/*.{sources,list} "$here"/repos/*.{sources,list}; do
		cp "$file" "$root/sources.list.d/"
	done
	for file in /etc/apt/preferences.d/* "$here"/repos/*.pref; do
		cp "$file" "$root/preferences.d/"
	done
fi

fail() {
	echo "bootkiln: $1" >&2
	exit 1
}

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
pins=()
for option in "$@"; do
	value=${option#*=}
	case $option in
	--mounted) ;;
	--key=*) fetch_key "$root/keyrings/${value%%=*}" "${value#*=}" ;;
	--pin=*) pins+=("$value") ;;
	--debian=backports) backports=yes ;;
	--debian=*) parts+=("$value") ;;
	--exclude=*) printf 'Package: %s\nPin: release *\nPin-Priority: -1\n\n' "$value" >>"$root/preferences.d/bootkiln-exclude.pref" ;;
	*) fail "unknown option \"$option\"" ;;
	esac
done
[[ ${#parts[@]} -gt 0 || ${#pins[@]} -gt 0 || -n $backports ]] || exit 0

# Where the image has what from. A field that has no value is the name in dollars.
apt-get update
# shellcheck disable=SC2016
known=$(apt-get indextargets --format '$(SOURCESENTRY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(CODENAME)|$(LABEL)|$(ORIGIN)|' 'Created-By: Packages' | LC_ALL=C sort -u)

# release_of LINE: what a pin can say of a repository's own name.
release_of() {
	local entry uri suite component codename label origin pin=
	IFS='|' read -r entry uri suite component codename label origin _ <<<"$1"
	# Elsewhere, a comma is between two words, and other signs make patterns.
	local plain='^[A-Za-z0-9][A-Za-z0-9 ._:+~-]*$'
	if [[ $origin =~ $plain ]]; then pin+=",o=$origin"; fi
	if [[ $label =~ $plain ]]; then pin+=",l=$label"; fi
	if [[ $codename =~ $plain ]]; then pin+=",n=$codename"; fi
	echo "${pin#,}"
}

# pin ID HOST: a pin goes by the host, of which apt knows no port and no path.
# Where others have the same one, it goes by what the repository calls itself.
pin() {
	local id=$1 host=$2 line at own='' others=() other
	while read -r line; do
		at=${line#*|} at=${at#*://} at=${at%%[/|]*} at=${at##*@}
		if [[ ${line%%|*} == */"$id.sources:"* ]]; then
			own=$(release_of "$line")
		elif [[ ${at%:*} == "$host" || $at == "$host" ]]; then
			others+=("$line")
		fi
	done <<<"$known"
	[[ ${#others[@]} -gt 0 ]] || return 0
	for other in "${others[@]}"; do
		if [[ -z $own || $(release_of "$other") == "$own" ]]; then
			fail "what is taken from \"$id\" cannot be said: ${other%%|*} has the same host ($host), and its Release file names no other origin, label and codename"
		fi
	done
	sed -i "s/^Pin: .*/Pin: release $own/" "$root/preferences.d/bootkiln-$id.pref"
}

for value in "${pins[@]}"; do
	pin "${value%%=*}" "${value#*=}"
done
[[ ${#parts[@]} -gt 0 || -n $backports ]] || exit 0

# options FILE:NUMBER: the options of an entry, as they stand there. It is a
# line of a .list file, whose number it is, or a stanza, which apt counts.
options() {
	local file=${1%:*} number=${1##*:} line
	if [[ $file == *.sources ]]; then
		awk -v number="$number" '
			/^#/ { next }
			/^\r?$/ { inside = 0; next }
			!inside { inside = 1; count++ }
			/^[^ \t]/ { other = tolower($0) !~ /^(types|uris|suites|components)[ \t]*:/ }
			count == number && other' "$file"
	else
		line=$(sed -n "${number}p" "$file")
		local form='^[[:space:]]*deb[[:space:]]+(\[[^]]*\])?'
		[[ $line =~ $form ]] || fail "$1 is no entry of a repository, as apt says it is"
		echo "${BASH_REMATCH[1]}"
	fi
}

# like FILE:NUMBER URI SUITE COMPONENT... adds what the image has not to its
# entries: with the same options, the keys among them, without which apt
# refuses two entries for one repository.
like() {
	local entry=$1 uri=$2 suite=$3 component missing=() with
	for component in "${@:4}"; do
		grep -q -F -e "|$uri|$suite|$component|" <<<"$known" || missing+=("$component")
	done
	[[ ${#missing[@]} -gt 0 ]] || return 0
	[[ -r ${entry%:*} ]] || fail "the entry of $uri is in ${entry%:*}, which cannot be read"
	with=$(options "$entry")
	if grep -q -i -E -e '(^|[[ ])(trusted|allow-insecure)[[:space:]]*[=:]' <<<"$with"; then
		fail "the image does not check the signature of $uri ($entry), and nothing more is taken from there"
	fi
	if [[ ${entry%:*} == *.sources ]]; then
		printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\n%s\n\n' "$uri" "$suite" "${missing[*]}" "$with" >>"$debian.sources"
	else
		printf 'deb %s %s %s %s\n' "$with" "$uri" "$suite" "${missing[*]}" >>"$debian.list"
	fi
}

codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
rm -f "$debian.sources" "$debian.list"
found=
while IFS='|' read -r entry uri suite component _; do
	[[ $component == main && ($suite == "$codename" || $suite == "$codename"-*) ]] || continue
	found=yes
	[[ ${#parts[@]} -eq 0 ]] || like "$entry" "$uri" "$suite" "${parts[@]}"
	if [[ -n $backports && $suite == "$codename" ]]; then
		like "$entry" "$uri" "$codename-backports" main "${parts[@]}"
	fi
done <<<"$known"
[[ -n $found ]] || fail "the image has no repository of Debian $codename that has the part \"main\""
