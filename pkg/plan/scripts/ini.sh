# shellcheck shell=bash
# Sourced by the scripts that set a key in a file of groups and keys, which may
# be there and have more in it.

# set_key FILE GROUP KEY VALUE sets one key, and keeps all else. A KEY may have
# a flag of KDE's, as in "InputMethod[$e]"; the key is replaced with any flag.
set_key() {
	local file=$1 group=$2 key=$3 value=$4 line name inside='' done=''
	local -a out=()
	if [[ -e $file ]]; then
		while IFS= read -r line || [[ -n $line ]]; do
			name=${line%%[=[]*} name=${name%% *}
			if [[ $line == \[* ]]; then
				if [[ -n $inside && -z $done ]]; then
					out+=("$key=$value")
					done=1
				fi
				inside=
				[[ $line != "[$group]" ]] || inside=1
			elif [[ -n $inside && $name == "${key%%[*}" ]]; then
				[[ -z $done ]] || continue
				line="$key=$value" done=1
			fi
			out+=("$line")
		done <"$file"
	fi
	[[ -n $inside || -n $done ]] || out+=("[$group]")
	[[ -n $done ]] || out+=("$key=$value")
	mkdir -p "${file%/*}"
	printf '%s\n' "${out[@]}" >"$file"
}
