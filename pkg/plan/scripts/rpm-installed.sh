# shellcheck shell=bash
# Sourced by the scripts that ask what is installed.

# installed NAME... sets the array "installed" to the installed packages that
# any NAME means to dnf, each as name-epoch:version-release.arch. A NAME may be
# a pattern, and may have a version or an architecture, in every form that
# dnf(8) lists under "Specifying Packages". "rpm -qa NAME" compares with names
# alone, and "rpm -q NAME" knows no patterns.
installed() {
	# shellcheck disable=SC2034 # read by those who source this
	local database name epoch version release arch wanted form
	installed=()
	database=$(rpm -qa --queryformat '%{name} %{epochnum} %{version} %{release} %{arch}\n' | LC_ALL=C sort)
	while read -r name epoch version release arch; do
		# Keys of repositories are in the database, and are no packages.
		[[ -n $name && $name != gpg-pubkey ]] || continue
		for wanted in "$@"; do
			for form in "$name" "$name.$arch" "$name-$version" \
				"$name-$version-$release" "$name-$version-$release.$arch" \
				"$name-$epoch:$version" "$name-$epoch:$version-$release" "$name-$epoch:$version-$release.$arch"; do
				# The right side is a pattern as it stands there.
				# shellcheck disable=SC2053
				if [[ $form == $wanted ]]; then
					installed+=("$name-$epoch:$version-$release.$arch")
					continue 3
				fi
			done
		done
	done <<<"$database"
}

# lockable NAME... sets "installed" to the packages that any NAME means, and ends
# the script where one means none. It takes problem.sh.
lockable() {
	local name
	for name in "$@"; do
		installed "$name"
		[[ ${#installed[@]} -gt 0 ]] || problem not-installed "$name" "\"$name\" cannot be locked: no such package is installed"
	done
	known not-installed rpm -qa --queryformat '%{name}\n'
	verdict
	installed "$@"
}
