# shellcheck shell=bash
# Sourced by the scripts that may find out that a word of the recipe names
# something which does not exist.
#
# bootkiln takes these lines out of a step's output, and shows each problem at
# the word's place in the recipe, with the nearest of the known names. Package
# resolve describes them. A script looks at all of its words, then calls
# "verdict", and changes nothing before that.

problems=0
codes=' '

# problem CODE WORD MESSAGE: WORD is the argument as the script got it, and CODE
# the kind of problem, as in unknown-unit.
problem() {
	say_finding problem "$@"
	problems=$((problems + 1))
}

# warning CODE WORD MESSAGE, note CODE WORD MESSAGE: the same for what can go on.
warning() { say_finding warning "$@"; }
note() { say_finding note "$@"; }

say_finding() {
	printf 'bootkiln:%s\t%s\t%s\t%s\n' "$@"
	codes+="$2 "
}

# known CODE COMMAND...: where something of that CODE was found, COMMAND lists
# the names that would have been right, one a line.
known() {
	local code=$1 names
	shift
	[[ $codes == *" $code "* ]] || return 0
	# In portions, since long lines are cut.
	while mapfile -t -n 200 names && [[ ${#names[@]} -gt 0 ]]; do
		printf 'bootkiln:known\t%s' "$code"
		printf '\t%s' "${names[@]}"
		printf '\n'
	done < <("$@")
}

# verdict ends the script where there was a problem.
verdict() {
	if [[ $problems -gt 0 ]]; then
		exit 1
	fi
}
