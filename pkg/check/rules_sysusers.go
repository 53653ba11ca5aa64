package check

import (
	"context"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// sysusersRules are about the accounts that machines which exist already will
// not get.
var sysusersRules = []Rule{
	{
		ID:       "sysusers",
		Summary:  "users and groups of the image are in sysusers.d",
		Severity: diag.Warning,
		Doc:      "A machine whose own passwd or group was ever changed keeps it at an update, and does not get a user that the image adds there: the service that runs as it does not start. systemd-sysusers makes those of sysusers.d on every machine.",
		Source:   "bootc lint sysusers, which reads /usr/lib/sysusers.d alone and takes no line m for one that makes a user",
		Hint:     `write to /usr/lib/sysusers.d/x.conf: u name 990 "what it is for"`,
		Run:      checkSysusers,
	},
}

func checkSysusers(_ context.Context, t *Target) ([]Finding, error) {
	made := &accounts{users: ids{}, groups: ids{}}
	if err := made.readSysusers(t.Root); err != nil {
		return nil, err
	}
	var out []Finding
	for _, file := range []struct {
		name, what string
		known      ids
	}{{"etc/passwd", "user", made.users}, {"etc/group", "group", made.groups}} {
		data, err := readSmall(t.Root, file.name)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(data)) {
			// name:password:…, or a line of NIS, which names nobody.
			name, _, ok := strings.Cut(strings.TrimSpace(line), ":")
			if ok && name != "" && !strings.ContainsAny(name[:1], "+-#") && !file.known.has(name) {
				out = append(out, finding(file.name, "no file of sysusers.d makes the %s %q", file.what, name))
			}
		}
	}
	return out, nil
}
