#!/bin/bash
# usage: borrow take PACKAGE | borrow return PACKAGE FOLDER[:FOLDER]...
# "return" erases a package that was not there at "take", unless another one
# needs it, or a repository in the files of the folders names a file of it.
set -euo pipefail

had=${BASH_SOURCE[0]%/*}/had-$2

case $1 in
take)
	if rpm -q "$2" >/dev/null; then
		: >"$had"
	fi
	;;
return)
	shopt -s nullglob
	IFS=: read -r -a folders <<<"$3"
	files=()
	for folder in "${folders[@]}"; do
		files+=("$folder"/*.repo)
	done
	if [[ ! -e $had ]] && ! rpm -q --whatrequires "$2" >/dev/null && ! grep -q -s -F -e "/$2/" /dev/null "${files[@]}"; then
		rpm -e "$2"
	fi
	;;
esac
