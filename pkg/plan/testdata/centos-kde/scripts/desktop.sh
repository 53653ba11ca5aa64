#!/bin/bash
set -euo pipefail
dnf -y install epel-release
