package qemu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Busy returns how long the machine's processors have had something to do since
// it was started: the time that their threads ran, and the time that they were
// ready to and others were let run instead, which counts because an emulator on
// a busy machine is not idle. That of the guest's devices does not count. It is
// an error where the machine has ended, or this kernel keeps no such account.
func (g *Guest) Busy() (time.Duration, error) {
	busy, err := busyIn(fmt.Sprintf("/proc/%d/task", g.pid))
	if err != nil {
		return 0, fmt.Errorf("asking what the machine does: %w", err)
	}
	return busy, nil
}

// busyIn adds up the threads of a folder like /proc/PID/task that are virtual
// processors, which QEMU calls "CPU 0/TCG" where it names its threads.
func busyIn(dir string) (time.Duration, error) {
	threads, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	found := false
	for _, t := range threads {
		name, err := os.ReadFile(filepath.Join(dir, t.Name(), "comm"))
		if errors.Is(err, os.ErrNotExist) {
			continue // it has ended: no processor does before the machine
		}
		if err != nil {
			return 0, err
		}
		if !strings.HasPrefix(string(name), "CPU ") {
			continue
		}
		account, err := os.ReadFile(filepath.Join(dir, t.Name(), "schedstat"))
		if err != nil {
			return 0, err
		}
		spent, err := parseSchedstat(string(account))
		if err != nil {
			return 0, err
		}
		sum, found = sum+spent, true
	}
	if !found {
		return 0, errors.New("it has no processor")
	}
	return sum, nil
}

// parseSchedstat reads what Documentation/scheduler/sched-stats.rst of Linux
// has: nanoseconds on a processor, and on the queue for one.
func parseSchedstat(text string) (time.Duration, error) {
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("%q is no account of a thread", text)
	}
	var sum time.Duration
	for _, digits := range fields[:2] {
		n, err := strconv.ParseUint(digits, 10, 62)
		if err != nil {
			return 0, fmt.Errorf("%q is no account of a thread", text)
		}
		sum += time.Duration(n)
	}
	return sum, nil
}
