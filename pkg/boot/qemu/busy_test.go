package qemu

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestBusy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	thread := func(id, name, account string) {
		for file, text := range map[string]string{"comm": name + "\n", "schedstat": account} {
			path := filepath.Join(dir, id, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	thread("1", "qemu-system-x86", "9000000000 9000000000 9\n")
	if busy, err := busyIn(dir); err == nil {
		t.Errorf("a machine without processors is busy for %v", busy)
	}
	thread("2", "CPU 0/TCG", "1000000000 500000000 7\n")
	thread("3", "CPU 1/TCG", "20000000 0 7\n")
	if err := os.Mkdir(filepath.Join(dir, "4"), 0o700); err != nil { // it ended when it was looked at
		t.Fatal(err)
	}
	if busy, err := busyIn(dir); err != nil || busy != 1520*time.Millisecond {
		t.Errorf("got %v, %v", busy, err)
	}
	thread("5", "CPU 2/TCG", "rubbish\n")
	if _, err := busyIn(dir); err == nil {
		t.Error("rubbish is taken for an account")
	}
	if _, err := busyIn(filepath.Join(dir, "nobody")); err == nil {
		t.Error("a machine that has ended is asked")
	}
}
