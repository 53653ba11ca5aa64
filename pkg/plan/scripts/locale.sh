#!/bin/bash
# usage: locale [--language=L] [--extra=L]... [--keymap=K] [--timezone=T]
# Sets the language, keyboard and time zone of the system, in the files that
# the distribution has for them.
set -euo pipefail

fail() {
	echo "bootkiln: $*" >&2
	exit 1
}

# Debian compiles its locales from a list; elsewhere they are packages.
generate_locales() {
	local name line known charset
	for name in "$@"; do
		line=
		while read -r known charset; do
			# sr_RS.UTF-8@latin stands there as sr_RS@latin, for UTF-8.
			if [[ $known == "$name" || $known == "${name/.UTF-8/}" && $charset == UTF-8 ]]; then
				line="$known $charset"
				break
			fi
		done </usr/share/i18n/SUPPORTED
		[[ -n $line ]] || fail "the C library knows no locale \"$name\" (see /usr/share/i18n/SUPPORTED)"
		grep -q -s -F -x -e "$line" /etc/locale.gen || printf '%s\n' "$line" >>/etc/locale.gen
	done
	locale-gen
}

set_language() {
	local known wanted
	if command -v update-locale >/dev/null; then
		update-locale "LANG=$1"
		# systemd and dracut read the one, PAM of Debian 12 the other.
		[[ -e /etc/locale.conf ]] || ln -s default/locale /etc/locale.conf
		return
	fi
	# "locale -a" writes ko_KR.utf8 for ko_KR.UTF-8.
	known=$(locale -a)
	known=${known,,} wanted=${1,,}
	grep -q -F -x -e "${wanted//-/}" <<<"${known//-/}" || fail "no package brought the locale \"$1\""
	printf 'LANG=%s\n' "$1" >/etc/locale.conf
}

# The map that systemd-localed uses has the columns: console keymap, X11
# layout, model, variant, options; "-" for none.
set_keymap() {
	local layout=$1 model=- variant=- options=- row
	if [[ -r /usr/share/systemd/kbd-model-map ]]; then
		while read -r -a row; do
			if [[ ${row[0]-} == "$1" ]]; then
				layout=${row[1]} model=${row[2]} variant=${row[3]} options=${row[4]}
				break
			fi
		done </usr/share/systemd/kbd-model-map
	fi
	model=${model#-} variant=${variant#-} options=${options#-}

	if [[ -e /etc/default/keyboard ]]; then
		# console-setup makes the console's keymap from the X11 layout.
		[[ -e /usr/share/X11/xkb/symbols/${layout%%,*} ]] || fail "there is no keyboard layout \"$layout\""
		printf 'XKBMODEL="%s"\nXKBLAYOUT="%s"\nXKBVARIANT="%s"\nXKBOPTIONS="%s"\nBACKSPACE="guess"\n' \
			"${model:-pc105}" "$layout" "$variant" "$options" >/etc/default/keyboard
		return
	fi
	if [[ -d /usr/lib/kbd/keymaps ]]; then
		[[ -n $(find /usr/lib/kbd/keymaps -name "$1.map*" -print -quit) ]] || fail "there is no console keymap \"$1\" (see localectl list-keymaps)"
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

set_timezone() {
	[[ -f /usr/share/zoneinfo/$1 ]] || fail "there is no time zone \"$1\" (see timedatectl list-timezones)"
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
	--language=*) language=$value locales+=("$value") ;;
	--extra=*) locales+=("$value") ;;
	--keymap=*) keymap=$value ;;
	--timezone=*) timezone=$value ;;
	*) fail "unknown option \"$argument\"" ;;
	esac
done

if [[ ${#locales[@]} -gt 0 ]] && command -v locale-gen >/dev/null; then
	generate_locales "${locales[@]}"
fi
[[ -z $language ]] || set_language "$language"
[[ -z $keymap ]] || set_keymap "$keymap"
[[ -z $timezone ]] || set_timezone "$timezone"
