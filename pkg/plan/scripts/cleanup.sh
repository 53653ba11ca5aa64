#!/bin/bash
# Takes out of the image what installing leaves behind. The folders stay, since
# packages own them, and so do the databases of packages: that of debconf, which
# holds the answers that later upgrades go by, is in /var/cache.
set -euo pipefail

for dir in /tmp /var/tmp; do
	if [[ -d $dir && ! -L $dir ]]; then
		find "$dir" -xdev -mindepth 1 -delete
	fi
done

# The builder has mounts in /run, which refuse; nothing else does.
find /run -xdev -depth -mindepth 1 -delete 2>/dev/null || true

for dir in /var/cache /var/log /var/lib/apt/lists; do
	if [[ -d $dir && ! -L $dir ]]; then
		find "$dir" -xdev -type f ! -path '/var/cache/debconf/*.dat' -delete
	fi
done

# Backups and locks of dpkg; cookies that dnf counts machines with.
rm -f /var/lib/dpkg/*-old /var/lib/dpkg/lock* /var/lib/dpkg/triggers/Lock
rm -rf /var/lib/dnf/repos

# Packages make one where there is none, and every machine would have the same.
if grep -q -s -x '[0-9a-f]\{32\}' /etc/machine-id; then
	echo uninitialized >/etc/machine-id
fi
