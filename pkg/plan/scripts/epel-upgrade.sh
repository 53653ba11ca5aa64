#!/bin/bash
# usage: epel-upgrade COMMAND...
# Replaces AlmaLinux's own package of EPEL's repositories with EPEL's, with the
# command that upgrades. Where the architecture is one of AlmaLinux's own, the
# package has another name.
set -euo pipefail

name=$(rpm -q --whatprovides --queryformat '%{name}\n' epel-release)
exec "$@" "$name"
