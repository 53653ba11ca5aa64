# KDE Plasma, SDDM and Wine from EPEL 10. EPEL needs CodeReady Builder.
dnf -y install dnf-plugins-core epel-release
dnf config-manager --set-enabled crb

dnf -y install --setopt=install_weak_deps=False \
  --exclude=PackageKit --exclude=PackageKit-command-not-found \
  --exclude=plasma-discover-packagekit --exclude=plasma-discover-notifier \
  plasma-desktop plasma-workspace sddm sddm-breeze sddm-kcm \
  dolphin konsole kate ark xdg-desktop-portal-kde qt6-qtwayland \
  pipewire wireplumber NetworkManager-wifi plasma-nm bluedevil

# 64-bit parts only: EL 10 has no 32-bit libraries.
dnf -y install wine-core wine-pulseaudio wine-common

systemctl enable sddm.service

# For the build only: the image gets its updates as an image.
dnf config-manager --set-disabled crb
dnf config-manager --set-disabled epel
dnf clean all
