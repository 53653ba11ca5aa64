package check

import (
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

var fstabFixtures = []fixture{
	{name: "fstab of any machine", add: fake.Files{"etc/fstab": fake.Text(
		"# UUID=1 /old ext4 defaults 0 0\n\nLABEL=data /var/data ext4 defaults 0 2\ntmpfs /var/tmp tmpfs size=1G\n" +
			"UUID=1 /var/a ext4 defaults,nofail\n/dev/sdb1 /var/b ext4 noauto 0 0\nserver:/x=UUID /var/c nfs\n" +
			"/dev/disk/by-label/x /var/d xfs\n/dev/mapper/vg-x /var/e xfs\n/dev/zram0 none swap defaults\nUUID=1\n/srv/UUID=1 /var/f none bind\n")}},
	{
		rule: "fstab", add: fake.Files{"etc/fstab": fake.Text(
			"UUID=0a1b-2c3d /boot/efi vfat umask=0077 0 2\n/dev/sda3\tnone\tswap\tsw,nofailure\t0 0\n# more\npartuuid=4-01 /var/a xfs\n" +
				"/dev/disk/by-id/ata-x /var/b xfs defaults\n/dev//nvme0n1p2 /var/c\n")},
		want: []string{
			"/etc/fstab: line 1: /boot/efi is on UUID=0a1b-2c3d, which other machines do not have",
			"/etc/fstab: line 2: swapping needs /dev/sda3, which other machines do not have",
			"/etc/fstab: line 4: /var/a is on partuuid=4-01, which other machines do not have",
			"/etc/fstab: line 5: /var/b is on /dev/disk/by-id/ata-x, which other machines do not have",
			"/etc/fstab: line 6: /var/c is on /dev//nvme0n1p2, which other machines do not have",
		},
	},
}
