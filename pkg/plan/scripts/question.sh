# shellcheck shell=bash
# Sourced by the scripts that ask a package manager for names.

# take_question ARGUMENT...: sets "command" to the command that will install,
# and "install", "doubtful", "groups", "optional" and "remove" to the names that are asked
# for. Each name stands behind --install=, --group=, --optional=, --remove=, or
# behind --doubtful= and an --instead= that says what to do where it is not
# there. Everything else is the command.
take_question() {
	command=() install=() doubtful=() groups=() optional=() remove=()
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
		-y | --) ;; # nothing is installed, and what follows is an option
		*) command+=("$argument") ;;
		esac
	done
}

# said LINE: whether the package manager said so in $answer.
answer=
said() { [[ $'\n'$answer$'\n' == *$'\n'"$1"$'\n'* ]]; }

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
