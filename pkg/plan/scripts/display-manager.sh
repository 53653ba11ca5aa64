#!/bin/bash
# usage: display-manager [--session=NAME] UNIT...
# Makes the first UNIT that the image has its one display manager, and NAME the
# session that it offers first.
set -euo pipefail

here=${BASH_SOURCE[0]%/*}
# shellcheck source-path=SCRIPTDIR source=ini.sh
source "$here/ini.sh"
# shellcheck source-path=SCRIPTDIR source=problem.sh
source "$here/problem.sh"

# No systemd runs where images are built.
export SYSTEMD_OFFLINE=1
units=/usr/lib/systemd/system

# display_managers prints the units that are one: those that say so, and those
# that are known to, since not every package leaves that to systemd.
display_managers() {
	local file
	for file in "$units"/*.service; do
		case ${file##*/} in
		cosmic-greeter.service | gdm.service | gdm3.service | greetd.service | lightdm.service | lxdm.service | ly.service | \
			plasmalogin.service | sddm.service | slim.service | wdm.service | xdm.service) ;;
		display-manager.service) continue ;;
		*) grep -q -s '^Alias=\(.* \)\?display-manager[.]service' "$file" || continue ;;
		esac
		[[ ! -e $file ]] || basename -- "$(readlink -e -- "$file")"
	done | LC_ALL=C sort -u
}

enable() {
	local unit=$1 other program preset
	preset=/usr/lib/systemd/system-preset/10-bootkiln-desktop.preset
	mkdir -p "${preset%/*}"
	# systemd applies presets on a machine's first boot, to every unit.
	printf 'enable %s\n' "$unit" >"$preset"
	while read -r other; do
		if [[ -n $other && $other != "$unit" ]]; then
			echo "bootkiln: $other is disabled, since $unit is the display manager"
			systemctl disable --quiet -- "$other"
			printf 'disable %s\n' "$other" >>"$preset"
		fi
	done < <(display_managers)
	rm -f /etc/systemd/system/display-manager.service
	if grep -q '^\[Install\]' "$units/$unit"; then
		systemctl enable --quiet -- "$unit"
	fi
	# graphical.target wants this name, which not every unit claims.
	ln -s -f -n "$units/$unit" /etc/systemd/system/display-manager.service
	# Debian's units start only where this file names their program.
	if [[ -e /etc/X11/default-display-manager ]] || grep -q default-display-manager "$units/$unit"; then
		program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$units/$unit")
		mkdir -p /etc/X11
		printf '%s\n' "$program" >/etc/X11/default-display-manager
	fi
}

# keep_folders has machines make the folders in /var that the display manager's
# package brought, and made no line of tmpfiles.d for: what an image has there is
# copied when it is installed and never again, and a machine that is updated to
# the image would show an empty screen.
keep_folders() {
	local name=${1%.service} folder lines=''
	for folder in /var/lib/"$name" /var/lib/"$name-data" /var/cache/"$name"; do
		if [[ -d $folder ]] && ! grep -r -q -s -E "^[^#]*[[:space:]]$folder/?([[:space:]]|\$)" /usr/lib/tmpfiles.d; then
			lines+=$(stat --format 'd %n 0%a %U %G -' -- "$folder")$'\n'
		fi
	done
	[[ -z $lines ]] || printf '%s' "$lines" >/usr/lib/tmpfiles.d/bootkiln-display-manager.conf
}

session_names() {
	local file
	for file in /usr/share/wayland-sessions/*.desktop /usr/share/xsessions/*.desktop; do
		[[ ! -e $file ]] || basename -- "$file" .desktop
	done
}

# find_session prints the file of a session; one for Wayland goes first.
find_session() {
	local folder
	for folder in /usr/share/wayland-sessions /usr/share/xsessions; do
		if [[ -e $folder/$1.desktop ]]; then
			printf '%s\n' "$folder/$1.desktop"
			return
		fi
	done
}

templates=/usr/share/accountsservice/user-templates

# check_session ARGUMENT UNIT
check_session() {
	local name=${1#*=}
	if [[ -z $(find_session "$name") ]]; then
		problem unknown-session "$1" "the image has no session \"$name\"; it has: $(session_names | LC_ALL=C sort -u | paste -s -d ' ')"
	elif [[ $2 == gdm* && ! -e $templates/standard ]]; then
		problem unsupported "$1" "the first session of gdm is set in templates of accountsservice, and the one in this image has none"
	fi
}

# offer makes a session the first choice. Each display manager keeps it
# elsewhere, and what someone chose on the machine counts more.
offer() {
	local unit=$1 session=$2 template name
	case $unit in
	sddm.service)
		# It has no such setting, and takes the session before for the first.
		printf 'f /var/lib/sddm/state.conf 0644 sddm sddm - [Last]\\nSession=%s\\n\n' "$(find_session "$session")" \
			>/usr/lib/tmpfiles.d/bootkiln-session.conf
		;;
	gdm.service | gdm3.service)
		for template in "$templates"/*; do
			name=/etc/accountsservice/user-templates/${template##*/}
			[[ -e $name ]] || install -D -m 0644 "$template" "$name"
			set_key "$name" User Session "$session"
		done
		;;
	lightdm.service) set_key /usr/share/lightdm/lightdm.conf.d/50-bootkiln.conf 'Seat:*' user-session "$session" ;;
	esac
}

session='' unit='' last=''
for argument in "$@"; do
	case $argument in
	--session=*) session=$argument ;;
	*)
		last=$argument
		[[ -n $unit || ! -e $units/$argument ]] || unit=$(basename -- "$(readlink -e -- "$units/$argument")")
		;;
	esac
done
[[ -n $unit ]] || problem unknown-unit "$last" "the image has no unit \"$last\"; its display managers are: $(display_managers | paste -s -d ' ')"
[[ -z $session ]] || check_session "$session" "$unit"
known unknown-session session_names
verdict

enable "$unit"
keep_folders "$unit"
[[ -z $session ]] || offer "$unit" "${session#*=}"
