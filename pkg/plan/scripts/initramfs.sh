#!/bin/bash
# usage: initramfs always|auto [--add=MODULE|--omit=MODULE|--driver=NAME]...
# Builds the initramfs of the image's one kernel; with "auto" only where the
# kernel, its modules or what configures dracut differ from the base, whose
# untouched root is mounted at $base. What dracut is configured with is in files
# already; the options are for looking whether they name something.
set -euo pipefail
# What fails in $( ) fails the script.
shopt -s inherit_errexit

# shellcheck source-path=SCRIPTDIR source=problem.sh
source "${BASH_SOURCE[0]%/*}/problem.sh"

mode=$1
shift
base=/run/bootkiln/base

fail() {
	echo "bootkiln: $*" >&2
	exit 1
}

# Debian's kernel packages know nothing of /usr/lib/modules/*/vmlinuz, where
# bootc and ostree look: put the kernel there, and leave no second one in /boot.
adopt_kernels() {
	local tree kver part
	for tree in /usr/lib/modules/*/; do
		tree=${tree%/} kver=${tree##*/}
		[[ -e /boot/vmlinuz-$kver ]] || continue
		install -m 0644 "/boot/vmlinuz-$kver" "$tree/vmlinuz"
		for part in config System.map; do
			[[ ! -e /boot/$part-$kver ]] || install -m 0644 "/boot/$part-$kver" "$tree/$part"
		done
		rm -f "/boot/vmlinuz-$kver" "/boot/config-$kver" "/boot/System.map-$kver" "/boot/initrd.img-$kver" "/boot/initramfs-$kver.img"
	done
	# The links that Debian keeps beside them lead nowhere now.
	for part in /vmlinuz /vmlinuz.old /initrd.img /initrd.img.old /boot/vmlinuz /boot/vmlinuz.old /boot/initrd.img /boot/initrd.img.old; do
		if [[ -L $part && ! -e $part ]]; then
			rm "$part"
		fi
	done
}

# The base may have put a kernel into a folder of modules that no package owns.
# When the package of the kernel is replaced or removed, its modules go, and
# what the base put there stays.
drop_leftovers() {
	local tree
	for tree in /usr/lib/modules/*/; do
		tree=${tree%/}
		if [[ -e $tree/vmlinuz && ! -e $tree/kernel && ! -e $tree/modules.dep ]]; then
			echo "bootkiln: removing what is left of kernel ${tree##*/}, which has no modules any more"
			rm -rf "$tree"
		fi
	done
}

# fingerprint ROOT KVER prints a line for everything that the initramfs is made
# from by choice: the kernel, its modules, and the configuration of dracut and
# of the programs that it takes into every initramfs.
fingerprint() {
	local path
	cd "$1"
	for path in "usr/lib/modules/$2" usr/lib/dracut etc/dracut.conf etc/dracut.conf.d \
		usr/lib/ostree/prepare-root.conf etc/ostree/prepare-root.conf usr/lib/composefs \
		usr/lib/modprobe.d etc/modprobe.d \
		usr/share/plymouth etc/plymouth \
		etc/vconsole.conf etc/locale.conf etc/default/keyboard etc/crypttab; do
		[[ -e $path || -L $path ]] || continue
		find "$path" -xdev -type f ! -path "usr/lib/modules/$2/initramfs*" -exec sha256sum {} +
		find "$path" -xdev -type l -printf 'link %p %l\n'
	done | LC_ALL=C sort
}

dracut_modules() { find /usr/lib/dracut/modules.d -mindepth 1 -maxdepth 1 -name '[0-9][0-9]*' -printf '%f\n' | cut -c 3-; }

drivers() { find "/usr/lib/modules/$kver" -name '*.ko*' -printf '%f\n' | sed 's/[.]ko.*//'; }

# check_names OPTION... looks for modules and drivers that are not there: of
# some dracut says nothing, and of the others after minutes.
check_names() {
	local option name
	for option in "$@"; do
		name=${option#*=}
		case $option in
		--add=*)
			compgen -G "/usr/lib/dracut/modules.d/[0-9][0-9]$name" >/dev/null ||
				problem unknown-dracut-module "$option" "dracut has no module \"$name\" in this image"
			;;
		--omit=*)
			compgen -G "/usr/lib/dracut/modules.d/[0-9][0-9]$name" >/dev/null ||
				warning unknown-dracut-module "$option" "dracut has no module \"$name\" in this image, which is to be left out"
			;;
		--driver=*)
			# Those that are built into the kernel are known to modinfo as well.
			modinfo --set-version="$kver" --field=name -- "$name" >/dev/null 2>&1 ||
				problem unknown-driver "$option" "kernel $kver has no module \"$name\""
			;;
		esac
	done
	known unknown-dracut-module dracut_modules
	known unknown-driver drivers
	verdict
}

adopt_kernels
drop_leftovers

kernels=()
for kernel in /usr/lib/modules/*/vmlinuz; do
	[[ -e $kernel ]] || continue
	kernel=${kernel%/vmlinuz}
	kernels+=("${kernel##*/}")
done
case ${#kernels[@]} in
0) fail "the image has no kernel: there is no /usr/lib/modules/*/vmlinuz" ;;
1) kver=${kernels[0]} ;;
*) fail "the image has ${#kernels[@]} kernels (${kernels[*]}), and can start one only: take the packages of the others into packages.remove, or their folders away in a step under run" ;;
esac
image=/usr/lib/modules/$kver/initramfs.img

if [[ $mode == auto && -s $image ]]; then
	# Assignments, since nothing that fails in a condition ends the script.
	now=$(fingerprint / "$kver")
	before=$(fingerprint "$base" "$kver")
	[[ -n $now ]] || fail "nothing of kernel $kver could be read"
	if [[ $now == "$before" ]]; then
		echo "bootkiln: the initramfs stays: kernel $kver, its modules and the configuration of its initramfs are the base's"
		exit 0
	fi
fi

command -v dracut >/dev/null || fail "the initramfs of kernel $kver has to be built, and the image has no dracut"

# A deployment is found by ostree's module, or by bootc's with composefs. Not
# every bootc has one, and dracut goes on without a module it cannot find.
modules=()
for module in ostree bootc; do
	if compgen -G "/usr/lib/dracut/modules.d/[0-9]*$module" >/dev/null; then
		modules+=("$module")
	fi
done
[[ ${#modules[@]} -gt 0 ]] || fail "dracut has neither of the modules ostree and bootc: the initramfs could not start the image"

# dracut follows /root, which leads to a folder that exists on booted systems
# only, and the temporary folder is gone where the base has an empty /var.
made=
if [[ -L /root && ! -e /root ]]; then
	made=$(readlink -m /root)
	mkdir -p "$made"
fi
[[ -d /var/tmp ]] || install -d -m 1777 /var/tmp
TMPDIR=$(mktemp -d /var/tmp/initramfs.XXXXXXXX)
export TMPDIR
trap 'rm -rf "$TMPDIR"; [[ -z $made ]] || rmdir --ignore-fail-on-non-empty "$made"' EXIT

# The labels of SELinux that files have while building mean nothing at boot.
export DRACUT_NO_XATTR=1

depmod -a "$kver"
check_names "$@"
dracut --no-hostonly --reproducible --kver "$kver" --add "${modules[*]}" --tmpdir "$TMPDIR" --force "$image"
[[ -s $image ]] || fail "dracut wrote no $image"
# It may hold secrets, and nobody but root has a use for it.
chmod 0600 "$image"
