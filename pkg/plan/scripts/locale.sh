#!/bin/bash
# usage: locale [--language=L] [--extra=L]... [--keymap=K] [--timezone=T]
# Sets the language, keyboard and time zone of the system, in the files that
# the distribution has for them.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=problem.sh
source "${BASH_SOURCE[0]%/*}/problem.sh"

# Debian compiles its locales from a list; elsewhere they are packages.
supported=/usr/share/i18n/SUPPORTED

compiled() { command -v locale-gen >/dev/null; }

# supported_line NAME prints the line of the list that is the locale.
supported_line() {
	local known charset
	while read -r known charset; do
		# sr_RS.UTF-8@latin stands there as sr_RS@latin, for UTF-8.
		if [[ $known == "$1" || $known == "${1/.UTF-8/}" && $charset == UTF-8 ]]; then
			printf '%s %s\n' "$known" "$charset"
			return
		fi
	done <"$supported"
	return 1
}

# has_locale NAME: whether a package brought it. "locale -a" writes ko_KR.utf8
# for ko_KR.UTF-8.
has_locale() {
	local all wanted=${1,,}
	all=$(locale -a)
	all=${all,,}
	grep -q -F -x -e "${wanted//-/}" <<<"${all//-/}"
}

# locale_names prints the names as the recipe would have them.
locale_names() {
	if compiled; then
		cut -d ' ' -f 1 "$supported"
	else
		locale -a | sed 's/\.utf8/.UTF-8/'
	fi
}

# check_locale ARGUMENT NAME
check_locale() {
	if compiled; then
		supported_line "$2" >/dev/null || problem unknown-locale "$1" "the C library knows no locale \"$2\""
	elif [[ $1 == --language=* ]]; then
		has_locale "$2" || problem unknown-locale "$1" "no package brought the locale \"$2\""
	fi
}

generate_locales() {
	local name line
	for name in "$@"; do
		line=$(supported_line "$name")
		grep -q -s -F -x -e "$line" /etc/locale.gen || printf '%s\n' "$line" >>/etc/locale.gen
	done
	locale-gen
}

set_language() {
	if command -v update-locale >/dev/null; then
		update-locale "LANG=$1"
		# systemd and dracut read the one, PAM of Debian 12 the other.
		[[ -e /etc/locale.conf ]] || ln -s default/locale /etc/locale.conf
		return
	fi
	printf 'LANG=%s\n' "$1" >/etc/locale.conf
}

# The map that systemd-localed uses has the columns: console keymap, X11
# layout, model, variant, options; "-" for none.
keyboard_map=/usr/share/systemd/kbd-model-map

# find_layout KEYMAP sets what the keymap is in the words of X11.
find_layout() {
	local row
	layout=$1 model='' variant='' options=''
	if [[ -r $keyboard_map ]]; then
		while read -r -a row; do
			if [[ ${row[0]-} == "$1" ]]; then
				layout=${row[1]} model=${row[2]#-} variant=${row[3]#-} options=${row[4]#-}
				break
			fi
		done <"$keyboard_map"
	fi
}

# console_setup: whether it makes the console's keymap from the X11 layout.
console_setup() { [[ -e /etc/default/keyboard ]]; }

keymap_names() {
	if console_setup; then
		find /usr/share/X11/xkb/symbols -maxdepth 1 -type f -printf '%f\n'
		[[ ! -r $keyboard_map ]] || sed -E -n 's/^([^#[:space:]]+).*/\1/p' "$keyboard_map"
	else
		find /usr/lib/kbd/keymaps -name '*.map*' ! -path '*/include/*' -printf '%f\n' | sed -E 's/\.map(\.gz)?$//'
	fi | LC_ALL=C sort -u
}

# check_keymap ARGUMENT NAME
check_keymap() {
	find_layout "$2"
	if console_setup; then
		[[ -e /usr/share/X11/xkb/symbols/${layout%%,*} ]] || problem unknown-keymap "$1" "there is no keyboard layout \"$2\""
	elif [[ -d /usr/lib/kbd/keymaps ]]; then
		[[ -n $(find /usr/lib/kbd/keymaps -name "$2.map*" -print -quit) ]] || problem unknown-keymap "$1" "there is no console keymap \"$2\""
	fi
}

set_keymap() {
	find_layout "$1"
	if console_setup; then
		printf 'XKBMODEL="%s"\nXKBLAYOUT="%s"\nXKBVARIANT="%s"\nXKBOPTIONS="%s"\nBACKSPACE="guess"\n' \
			"${model:-pc105}" "$layout" "$variant" "$options" >/etc/default/keyboard
		return
	fi
	printf 'KEYMAP=%s\n' "$1" >/etc/vconsole.conf
	mkdir -p /etc/X11/xorg.conf.d
	{
		echo '# Read by systemd-localed and Xorg. Change it with localectl.'
		echo 'Section "InputClass"'
		echo '        Identifier "system-keyboard"'
		echo '        MatchIsKeyboard "on"'
		printf '        Option "XkbLayout" "%s"\n' "$layout"
		[[ -z $model ]] || printf '        Option "XkbModel" "%s"\n' "$model"
		[[ -z $variant ]] || printf '        Option "XkbVariant" "%s"\n' "$variant"
		[[ -z $options ]] || printf '        Option "XkbOptions" "%s"\n' "$options"
		echo 'EndSection'
	} >/etc/X11/xorg.conf.d/00-keyboard.conf
}

zones=/usr/share/zoneinfo

# Without what stands beside the zones: the same ones for other clocks, and
# tables.
timezone_names() {
	(cd "$zones" && find . \( -path ./posix -o -path ./right \) -prune -o -type f ! -name '*.*' -printf '%P\n')
}

# check_timezone ARGUMENT NAME
check_timezone() {
	[[ -f $zones/$2 ]] || problem unknown-timezone "$1" "there is no time zone \"$2\""
}

set_timezone() {
	ln -s -f -n "../usr/share/zoneinfo/$1" /etc/localtime
	# Debian 12 has its name in a file as well, and its package trusts that.
	if [[ -e /etc/timezone ]]; then
		printf '%s\n' "$1" >/etc/timezone
	fi
}

language='' keymap='' timezone=''
locales=()
for argument in "$@"; do
	value=${argument#*=}
	case $argument in
	--language=*)
		language=$value locales+=("$value")
		check_locale "$argument" "$value"
		;;
	--extra=*)
		locales+=("$value")
		check_locale "$argument" "$value"
		;;
	--keymap=*)
		keymap=$value
		check_keymap "$argument" "$value"
		;;
	--timezone=*)
		timezone=$value
		check_timezone "$argument" "$value"
		;;
	*)
		echo "bootkiln: unknown option \"$argument\"" >&2
		exit 1
		;;
	esac
done
known unknown-locale locale_names
known unknown-keymap keymap_names
known unknown-timezone timezone_names
verdict

if [[ ${#locales[@]} -gt 0 ]] && compiled; then
	generate_locales "${locales[@]}"
fi
[[ -z $language ]] || set_language "$language"
[[ -z $keymap ]] || set_keymap "$keymap"
[[ -z $timezone ]] || set_timezone "$timezone"
