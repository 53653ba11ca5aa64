package guest

import (
	"strconv"
	"strings"
)

// The formats of systemctl(1).

// properties are those of one unit, or of the manager, as "systemctl show"
// prints them.
type properties map[string]string

// parseShow reads the output of "systemctl show": "Key=value" lines, with an
// empty line between two units.
func parseShow(output []byte) []properties {
	var all []properties
	current := properties{}
	end := func() {
		if len(current) > 0 {
			all = append(all, current)
			current = properties{}
		}
	}
	for line := range strings.Lines(string(output)) {
		line = strings.TrimRight(line, "\r\n")
		key, value, ok := strings.Cut(line, "=")
		if line == "" {
			end()
		} else if ok {
			current[key] = clean(value)
		}
	}
	end()
	return all
}

// seconds returns a timestamp in microseconds as seconds, 0 where it is unset.
func (p properties) seconds(key string) float64 {
	n, err := strconv.ParseUint(p[key], 10, 63)
	if err != nil {
		return 0
	}
	return float64(n) / 1e6
}

// number returns a count, 0 where it is none.
func (p properties) number(key string) int {
	n, err := strconv.Atoi(p[key])
	if err != nil {
		return 0
	}
	return n
}

// timestamps are the properties that times needs of the manager.
var timestamps = []string{
	"FirmwareTimestampMonotonic", "LoaderTimestampMonotonic", "InitRDTimestampMonotonic",
	"UserspaceTimestampMonotonic", "FinishTimestampMonotonic",
}

// times computes the phases as systemd's analyze-time-data.c does: firmware and
// boot loader are counted back from the start of the kernel.
func times(manager properties, target float64) Times {
	firmware, loader := manager.seconds(timestamps[0]), manager.seconds(timestamps[1])
	initrd, userspace, finish := manager.seconds(timestamps[2]), manager.seconds(timestamps[3]), manager.seconds(timestamps[4])
	t := Times{Firmware: max(firmware-loader, 0), Loader: loader, Kernel: userspace, Target: target}
	if initrd > 0 {
		t.Kernel, t.Initrd = initrd, max(userspace-initrd, 0)
	}
	if finish > userspace {
		t.Userspace = finish - userspace
	}
	return t
}

// mostUnits is the most units and jobs that are told of.
const mostUnits = 50

// parseJobs reads "systemctl list-jobs --no-legend --plain": number, unit, type
// and state.
func parseJobs(output []byte) []Job {
	var jobs []Job
	for _, line := range lines(output, 4*mostUnits) {
		f := strings.Fields(line)
		if len(f) != 4 || len(jobs) == mostUnits {
			continue
		}
		if _, err := strconv.Atoi(f[0]); err == nil {
			jobs = append(jobs, Job{Unit: f[1], Type: f[2], State: f[3]})
		}
	}
	return jobs
}

// parseFailed reads "systemctl list-units --state=failed --no-legend --plain":
// the unit, and three words and a description of it.
func parseFailed(output []byte) []string {
	var units []string
	for _, line := range lines(output, 4*mostUnits) {
		f := strings.Fields(line)
		if len(f) < 4 || len(units) == mostUnits || !isUnitName(f[0]) {
			continue
		}
		units = append(units, f[0])
	}
	return units
}

// isUnitName reports whether a text is the name of a unit, as systemd.unit(5)
// has them.
func isUnitName(text string) bool {
	return strings.Contains(text, ".") && len(text) < 256 && strings.Trim(text,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@") == "" && !strings.HasPrefix(text, "-")
}

// parseOSRelease reads os-release(5). Nothing is expanded in it.
func parseOSRelease(output []byte) map[string]string {
	fields := map[string]string{}
	for _, line := range lines(output, 100) {
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		fields[strings.TrimSpace(key)] = unescape(value)
	}
	return fields
}

// unescape takes the backslashes away that protect the next character.
func unescape(text string) string {
	var out strings.Builder
	protected := false
	for _, r := range text {
		if r == '\\' && !protected {
			protected = true
			continue
		}
		out.WriteRune(r)
		protected = false
	}
	return out.String()
}

// parseTicks reads the first line of /proc/stat, whose format proc_stat(5) has:
// the time that the processors spent, idle in the fourth number.
func parseTicks(output []byte) (idle, all uint64) {
	f := strings.Fields(string(output))
	if len(f) < 5 || f[0] != "cpu" {
		return 0, 0
	}
	// Guests' time, in the ninth and tenth, is in the first two already.
	for i, digits := range f[1:min(len(f), 9)] {
		n, err := strconv.ParseUint(digits, 10, 48)
		if err != nil {
			return 0, 0
		}
		all += n
		if i == 3 {
			idle = n
		}
	}
	return idle, all
}
