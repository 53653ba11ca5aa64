#!/bin/bash
# usage: groups PROGRAM OPTION... install [OPTION | WORD]...
# Runs the command with the ID of a group or environment in the place of its
# name, which DNF 5 does not take: "@KDE Plasma Workspaces" becomes
# "@kde-desktop-environment". What is no name of one stays as it is.
set -euo pipefail

# The same repositories as in the transaction.
program=$1 options=()
for word in "${@:2}"; do
	if [[ $word == -* ]]; then
		options+=("$word")
	fi
done
# Each line is an ID, a name, and whether it is installed.
known=$("$program" "${options[@]}" group list --hidden && "$program" "${options[@]}" environment list)

command=()
for word in "$@"; do
	if [[ $word == @* ]]; then
		id=$(awk -v name="${word#@}" '{
			id = $1
			sub(/^[^ ]+ +/, "")
			sub(/ +(yes|no) *$/, "")
			if ($0 == name) { print id; exit }
		}' <<<"$known")
		word=@${id:-${word#@}}
	fi
	command+=("$word")
done
exec "${command[@]}"
