#!/bin/bash
# usage: input-method ibus|fcitx5 [--engine=COMPONENT:ID]...
# Makes the framework the system's input method and the first engine its
# default, in the files of the desktops that the image has. COMPONENT names the
# engine's file, and ID is what settings call it ("" for none).
set -euo pipefail
shopt -s nullglob

here=${BASH_SOURCE[0]%/*}
# shellcheck source-path=SCRIPTDIR source=ini.sh
source "$here/ini.sh"
# shellcheck source-path=SCRIPTDIR source=problem.sh
source "$here/problem.sh"

framework=$1
shift
name=${framework%5} # what modules and XIM call it: fcitx, ibus

# KWin under Wayland starts the input method itself, and hands it a connection
# that no other way of starting it gives.
kwin=
if compgen -G '/usr/bin/kwin_wayland*' >/dev/null; then
	for file in /usr/share/applications/{fcitx5-wayland-launcher,org.fcitx.Fcitx5}.desktop \
		/usr/share/applications/org.freedesktop.IBus.Panel.Wayland.Gtk[34].desktop; do
		if [[ ${file,,} == *"$name"* && -e $file ]]; then
			kwin=$file
			break
		fi
	done
fi

# engine_file COMPONENT prints the file that describes an engine.
engine_file() {
	local file
	for file in "/usr/share/ibus/component/$1.xml" "/usr/share/fcitx5/addon/$1.conf" "/usr/share/fcitx5/inputmethod/$1.conf"; do
		if [[ $file == /usr/share/$framework/* && -e $file ]]; then
			printf '%s\n' "$file"
			return
		fi
	done
}

# engine_id COMPONENT ID prints what settings call the engine. Files of ibus may
# list it by another name.
engine_id() {
	local file listed=
	file=$(engine_file "$1")
	if [[ $framework == ibus && -n $2 ]] && ! grep -q "<name>$2</name>" "$file"; then
		# The first <name> is the component's own.
		listed=$(sed -n '/<engine>/,$s/.*<name>\(.*\)<\/name>.*/\1/p' "$file")
	fi
	listed=${listed%%$'\n'*}
	echo "${listed:-$2}"
}

# layout prints the keyboard layout that the system has been set to.
layout() {
	local found=
	if [[ -e /etc/default/keyboard ]]; then
		found=$(sed -n 's/^XKBLAYOUT="\?\([a-z]*\).*/\1/p' /etc/default/keyboard)
	elif [[ -e /etc/X11/xorg.conf.d/00-keyboard.conf ]]; then
		found=$(sed -n 's/.*"XkbLayout" "\([a-z]*\).*/\1/p' /etc/X11/xorg.conf.d/00-keyboard.conf)
	fi
	echo "${found:-us}"
}

# environment tells programs which input method to talk to. GTK_IM_MODULE is
# for X11 alone, and it keeps GTK from the protocol that Wayland has for it; so
# what programs of X11 need stands in GTK's own settings.
environment() {
	mkdir -p /usr/lib/environment.d
	{
		printf 'XMODIFIERS=@im=%s\n' "$name"
		# Qt under Plasma asks KWin; elsewhere it needs the module.
		[[ -n $kwin ]] || printf 'QT_IM_MODULE=%s\n' "$name"
	} >/usr/lib/environment.d/50-bootkiln-input-method.conf
	set_key /etc/gtk-3.0/settings.ini Settings gtk-im-module "$name"
	set_key /etc/gtk-4.0/settings.ini Settings gtk-im-module "$name"
}

# plasma names the program that KWin starts, and keeps others from starting it
# once more.
plasma() {
	local start=/etc/xdg/autostart/org.fcitx.Fcitx5.desktop
	[[ -z $kwin ]] || set_key /etc/xdg/kwinrc Wayland "InputMethod[\$e]" "$kwin"
	if [[ $framework == fcitx5 ]]; then
		# Debian's im-config starts it, where KWin does not.
		if [[ ! -e $start && ! -d /usr/share/im-config ]]; then
			mkdir -p "${start%/*}"
			cp /usr/share/applications/org.fcitx.Fcitx5.desktop "$start"
		fi
		[[ -z $kwin || ! -e $start ]] || set_key "$start" 'Desktop Entry' NotShowIn 'KDE;'
	elif [[ -z $kwin ]] && compgen -G '/usr/bin/kwin_*' >/dev/null; then
		mkdir -p /etc/xdg/autostart
		printf '%s\n' '[Desktop Entry]' 'Type=Application' 'Name=IBus' 'Exec=ibus-daemon --daemonize --xim --replace' \
			'OnlyShowIn=KDE;' 'NoDisplay=true' >/etc/xdg/autostart/bootkiln-ibus.desktop
	fi
}

# select_debian makes im-config start the framework, but where KWin does.
select_debian() {
	[[ -d /usr/share/im-config ]] || return 0
	mkdir -p /etc/X11/xinit
	{
		echo '# Read by im-config(8).'
		if [[ -n $kwin ]]; then
			# shellcheck disable=SC2016 # expanded when someone logs in
			printf '%s\n' 'case $XDG_SESSION_TYPE:$XDG_CURRENT_DESKTOP in' 'wayland:*KDE*) ;;' '*)' "run_im $framework" ';;' 'esac'
		else
			echo "run_im $framework"
		fi
	} >/etc/X11/xinit/xinputrc
}

# select_fedora makes imsettings start the framework under X11.
select_fedora() {
	local file=/etc/X11/xinit/xinput.d/$framework.conf
	if [[ -e $file && -L /etc/alternatives/xinputrc ]]; then
		ln -s -f -n "$file" /etc/alternatives/xinputrc
	fi
}

# list KEY prints a list of GVariant's. Every item is an ID of an engine or of
# a layout, which have neither quotes nor backslashes.
list() {
	local text
	printf -v text ', %s' "${@:2}"
	printf '%s=[%s]\n' "$1" "${text:2}"
}

# gsettings_defaults sets what GNOME offers as input sources, and what ibus
# starts with elsewhere.
gsettings_defaults() {
	local schemas=/usr/share/glib-2.0/schemas id file compile=''
	local -a sources=("('xkb', '$1')") engines=("'xkb:$1::eng'")
	shift
	for id in "$@"; do
		sources+=("('ibus', '$id')") engines+=("'$id'")
	done
	{
		if [[ -e $schemas/org.gnome.desktop.input-sources.gschema.xml ]]; then
			echo '[org.gnome.desktop.input-sources]'
			list sources "${sources[@]}"
		fi
		if [[ -e $schemas/org.freedesktop.ibus.gschema.xml ]]; then
			echo '[org.freedesktop.ibus.general]'
			list preload-engines "${engines[@]}"
		fi
	} >/run/bootkiln/override
	[[ -s /run/bootkiln/override ]] || return 0
	# Debian has it beside the library, and not in PATH.
	for file in /usr/bin/glib-compile-schemas /usr/lib/*/glib-2.0/glib-compile-schemas; do
		[[ ! -x $file ]] || compile=$file
	done
	if [[ -z $compile ]]; then
		echo "bootkiln: there are schemas in $schemas, and no glib-compile-schemas" >&2
		exit 1
	fi
	install -m 0644 /run/bootkiln/override "$schemas/zz1-bootkiln-input-method.gschema.override"
	"$compile" --strict "$schemas"
}

# fcitx_profile is what fcitx5 starts with, for whoever has no profile yet.
fcitx_profile() {
	local layout=$1 id n=1
	shift
	mkdir -p /etc/xdg/fcitx5
	{
		printf '[Groups/0]\nName=Default\nDefault Layout=%s\nDefaultIM=%s\n\n' "$layout" "$1"
		printf '[Groups/0/Items/0]\nName=keyboard-%s\nLayout=\n\n' "$layout"
		for id in "$@"; do
			printf '[Groups/0/Items/%d]\nName=%s\nLayout=\n\n' "$n" "$id"
			n=$((n + 1))
		done
		printf '[GroupOrder]\n0=Default\n'
	} >/etc/xdg/fcitx5/profile
}

[[ -x /usr/bin/$framework ]] || problem unknown-framework "$framework" "there is no /usr/bin/$framework in the image"
engines=()
for argument in "$@"; do
	engine=${argument#--engine=}
	engines+=("$engine")
	[[ -n $(engine_file "${engine%%:*}") ]] || problem unknown-engine "$argument" "$framework has no engine \"${engine%%:*}\" in this image"
done
verdict

ids=()
for engine in "${engines[@]}"; do
	id=$(engine_id "${engine%%:*}" "${engine#*:}")
	[[ -z $id ]] || ids+=("$id")
done
environment
plasma
select_debian
select_fedora
if [[ ${#ids[@]} -gt 0 ]]; then
	if [[ $framework == ibus ]]; then
		gsettings_defaults "$(layout)" "${ids[@]}"
	else
		fcitx_profile "$(layout)" "${ids[@]}"
	fi
fi
