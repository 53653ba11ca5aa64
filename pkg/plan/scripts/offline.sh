#!/bin/bash
# Fails where the step can reach a network. Not every way of running a build
# step can take the network away, and none says so. Devices prove nothing (the
# kernel may put tunnels into every new network namespace); routes do.
set -euo pipefail

if grep -q -v '^Iface' /proc/net/route || grep -q -s -v ' lo$' /proc/net/ipv6_route; then
	echo "bootkiln: this step is to run without network, which this isolation cannot do" >&2
	exit 1
fi
