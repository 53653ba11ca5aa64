#!/bin/sh
# The package made host keys, and every machine would have the same ones: each makes its own on its first boot.
set -eu
rm -f /etc/ssh/ssh_host_*
install -d /usr/lib/systemd/system/ssh.service.d
cat > /usr/lib/systemd/system/ssh.service.d/10-host-keys.conf <<'UNIT'
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
ExecStartPre=/usr/sbin/sshd -t
UNIT
