package guest

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestTimes(t *testing.T) {
	t.Parallel()
	// A machine with firmware: both are counted back from the kernel's start.
	uefi := properties{
		"FirmwareTimestampMonotonic": "7000000", "LoaderTimestampMonotonic": "2500000", "InitRDTimestampMonotonic": "1500000",
		"UserspaceTimestampMonotonic": "4000000", "FinishTimestampMonotonic": "9000000",
	}
	want := Times{Firmware: 4.5, Loader: 2.5, Kernel: 1.5, Initrd: 2.5, Userspace: 5, Target: 8}
	if diff := cmp.Diff(want, times(uefi, 8)); diff != "" {
		t.Errorf("with firmware (-want +got):\n%s", diff)
	}
	direct := properties{
		"FirmwareTimestampMonotonic": "0", "LoaderTimestampMonotonic": "", "InitRDTimestampMonotonic": "0",
		"UserspaceTimestampMonotonic": "3000000", "FinishTimestampMonotonic": "0",
	}
	if diff := cmp.Diff(Times{Kernel: 3}, times(direct, 0)); diff != "" {
		t.Errorf("without, and not done (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Times{}, times(properties{"UserspaceTimestampMonotonic": "-1", "FinishTimestampMonotonic": "99999999999999999999"}, 0)); diff != "" {
		t.Errorf("of nonsense (-want +got):\n%s", diff)
	}
}

func TestParseOSRelease(t *testing.T) {
	t.Parallel()
	got := parseOSRelease([]byte("# a comment\nNAME=\"A \\\"B\\\" C\"\nID=debian\n\nPRETTY_NAME='x y'\nEMPTY=\nbroken\nBAD=\"\x1b[31mred\x1bc\"\n"))
	want := map[string]string{"NAME": `A "B" C`, "ID": "debian", "PRETTY_NAME": "x y", "EMPTY": "", "BAD": "red\uFFFDc"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseFailed(t *testing.T) {
	t.Parallel()
	got := parseFailed([]byte("bad.service  loaded failed failed Some words\n" +
		"dev-disk-by\\x2duuid-0.swap not-found failed failed x\n" +
		"'; reboot #.service loaded failed failed x\n-H.service loaded failed failed x\n0 loaded units listed.\n"))
	if diff := cmp.Diff([]string{"bad.service", `dev-disk-by\x2duuid-0.swap`}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseListening(t *testing.T) {
	t.Parallel()
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	tcp := head + "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1\n" +
		"   1: 0100007F:1538 0100007F:0016 01 00000000:00000000 00:00000000 00000000     0        0 1\n" + head +
		"   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 1\n   1: x:fffff x 0A\n"
	if diff := cmp.Diff([]int{22, 8080}, parseListening([]byte(tcp), "tcp")); diff != "" {
		t.Errorf("tcp (-want +got):\n%s", diff)
	}
	udp := head + "  350: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 1 2 0 0\n"
	if diff := cmp.Diff([]int{53}, parseListening([]byte(udp), "udp")); diff != "" {
		t.Errorf("udp (-want +got):\n%s", diff)
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"a b": `'a b'`, "it's": `'it'\''s'`, "": `''`, "$(reboot)\n": "'$(reboot)\n'"} {
		if got := quote(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// Nothing that a guest prints breaks a parser, and what comes of it is bounded
// text that drives no terminal.
func FuzzParsers(f *testing.F) {
	f.Add([]byte("Id=a.service\nActiveState=active\n\nId=b.service\n"))
	f.Add([]byte("12 a.service start running\nbad.service loaded failed failed \x1b]0;title\a\n"))
	f.Add([]byte("NAME=\"x\\\"\xff\nID=\u202eevil\u0085\n"))
	f.Fuzz(func(t *testing.T, output []byte) {
		var all []string
		for _, p := range parseShow(output) {
			for _, v := range p {
				all = append(all, v)
			}
			times(p, p.seconds("Id"))
		}
		for _, j := range parseJobs(output) {
			all = append(all, j.Unit, j.Type, j.State)
		}
		for _, v := range parseOSRelease(output) {
			all = append(all, v)
		}
		all = append(append(all, parseFailed(output)...), lines(output, mostLog)...)
		parseListening(output, "tcp")
		if idle, all := parseTicks(output); idle > all {
			t.Errorf("%d of %d ticks are idle", idle, all)
		}
		for _, text := range all {
			if len(text) > 3*longestText+3 || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u0085' || r == '\u202e' }) {
				t.Errorf("%q got through", text)
			}
		}
	})
}
