package kernel

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/ulikunitz/xz"
)

const magicText = "6.12.0-55.el10.x86_64 SMP preempt mod_unload modversions "

func module(texts ...string) string {
	return "\x7fELF\x02\x01\x01" + strings.Repeat("code", 20_000) + "\x00" + strings.Join(texts, "\x00") + "\x00"
}

func TestReadModuleInfo(t *testing.T) {
	t.Parallel()
	want := &ModuleInfo{Release: "6.12.0-55.el10.x86_64", Options: "SMP preempt mod_unload modversions", Checksums: true}
	plain := module("license=GPL", "vermagic=no release", "vermagic="+magicText, "vermagic=1.2 later", ".text", "__versions")
	var packed bytes.Buffer
	w, err := xz.WriterConfig{CheckSum: xz.CRC32}.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in   string
		want *ModuleInfo
	}{
		"plain":        {plain, want},
		"xz":           {packed.String(), want},
		"no checksums": {module("vermagic=6.1.0 SMP ", "__versions.x"), &ModuleInfo{Release: "6.1.0", Options: "SMP"}},
		"newer kernel": {module("vermagic=6.1.0", "__version_ext_crcs"), &ModuleInfo{Release: "6.1.0", Checksums: true}},
		"none":         {module("license=GPL"), &ModuleInfo{}},
		"not ended":    {strings.TrimSuffix(module("vermagic=6.1.0 SMP"), "\x00"), &ModuleInfo{}},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
			got, err := ReadModuleInfo(t.Context(), r)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
	var format *FormatError
	for name, in := range map[string]string{
		"empty": "", "text": "module", "cut off": packed.String()[:packed.Len()-20], "damaged": packed.String()[:20] + "xxxx" + packed.String()[24:],
	} {
		if info, err := ReadModuleInfo(t.Context(), strings.NewReader(in)); !errors.As(err, &format) {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
	broken := errors.New("broken disk")
	if _, err := ReadModuleInfo(t.Context(), io.MultiReader(strings.NewReader("\x7fELF"), iotest.ErrReader(broken))); !errors.Is(err, broken) || errors.As(err, &format) {
		t.Errorf("err = %v", err)
	}
}

func FuzzReadModuleInfo(f *testing.F) {
	f.Add([]byte("\x7fELF\x00vermagic=" + magicText + "\x00__versions\x00"))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Add([]byte("\xfd7zXZ\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := ReadModuleInfo(t.Context(), bytes.NewReader(b))
		var format *FormatError
		if err != nil && !errors.As(err, &format) {
			t.Errorf("err = %v", err)
		}
		if err == nil && (strings.ContainsAny(info.Release, " \x00") || strings.Contains(info.Options, "\x00") || info.Release == "" && info.Options != "") {
			t.Errorf("%+v", info)
		}
	})
}
