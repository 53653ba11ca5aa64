package check

import (
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// sysusersFixtures are those of sysusersRules.
var sysusersFixtures = []fixture{
	{
		rule: "sysusers", add: fake.Files{
			"etc/passwd":                    fake.Text("root:x:0:0:root:/root:/bin/bash\nkiosk:x:1000:1000::/home/kiosk:/bin/sh\nfan:x:970:970::/:/bin/sh\n\n+nis\n"),
			"etc/group":                     fake.Text("root:x:0:\nwheel:x:10:fan\nfan:x:970:\nkiln:x:971:\n"),
			"usr/lib/sysusers.d/basic.conf": fake.Text("# u kiosk\nu root 0\nu! fan 970\ng wheel 10\n"),
		},
		want: []string{`/etc/group: no file of sysusers.d makes the group "kiln"`, `/etc/passwd: no file of sysusers.d makes the user "kiosk"`},
	},
}
