# shellcheck shell=bash
# Sourced by the scripts that ask a package manager for names.

# take_question ARGUMENT...: sets "command" to the command that will install,
# and "install", "doubtful", "groups", "optional", "remove", "lock" and
# "excluded" to the names that are asked for. Each name stands behind an option:
# --install=, --group=, --optional=, --remove=, --lock=, --excluded=, or
# --doubtful= with an --instead= before it that says what to do where it is not
# there. Everything else is the command.
take_question() {
	command=() install=() doubtful=() groups=() optional=() remove=() lock=() excluded=()
	declare -g -A instead=()
	local argument advice=
	for argument in "$@"; do
		case $argument in
		--instead=*) advice=${argument#*=} ;;
		--install=*) install+=("${argument#*=}") ;;
		--doubtful=*)
			doubtful+=("${argument#*=}")
			# shellcheck disable=SC2034 # read by those who source this
			instead[${argument#*=}]=$advice
			;;
		--group=*) groups+=("${argument#*=}") ;;
		--optional=*) optional+=("${argument#*=}") ;;
		--remove=*) remove+=("${argument#*=}") ;;
		--lock=*) lock+=("${argument#*=}") ;;
		--excluded=*) excluded+=("${argument#*=}") ;;
		-y | --) ;; # nothing is installed, and what follows is an option
		*) command+=("$argument") ;;
		esac
	done
}

# said LINE: whether the package manager said so in $answer.
answer=
said() { [[ $'\n'$answer$'\n' == *$'\n'"$1"$'\n'* ]]; }

# judge_others FOUND: what is said of names that are not installed. FOUND NAME is
# a command that looks whether the base or a repository has the package.
judge_others() {
	local found=$1 name nobody="neither the base nor a repository has the package"
	# What is not installed now may be so when it is removed or locked.
	for name in "${remove[@]}"; do
		"$found" "$name" || warning unknown-package "--remove=$name" "$nobody \"$name\", which is to be removed"
	done
	for name in "${lock[@]}"; do
		"$found" "$name" || problem unknown-package "--lock=$name" "$nobody \"$name\", which is to be locked"
	done
	for name in "${excluded[@]}"; do
		"$found" "$name" || warning unknown-package "--excluded=$name" "$nobody \"$name\", which is excluded"
	done
}

# answered ends the script: nothing of a step that fails is kept, and so it
# always does.
answered() {
	printf 'bootkiln:answered\n'
	exit 1
}

# unreadable OUTPUT shows why a repository could not be read, and ends the
# script: what is unknown without it may exist.
unreadable() {
	local line
	while IFS= read -r line; do
		line=${line//$'\t'/ }
		[[ -z ${line// /} ]] || printf 'bootkiln:unreadable\t%s\n' "$line"
	done <<<"$1"
	exit 1
}
