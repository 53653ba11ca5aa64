package progress

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

func TestAnnotate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		d    diag.Diagnostic
		want string
	}{
		{"whole", diag.Diagnostic{
			Pos: diag.Pos{File: "recipe.yaml", Line: 3, Col: 5}, Code: "unknown-key",
			Message: `unknown key "packges"`, Hint: `did you mean "packages"?`,
		}, "::error file=recipe.yaml,line=3,col=5,title=unknown-key::unknown key \"packges\"%0Adid you mean \"packages\"?\n"},
		{
			"no column",
			diag.Diagnostic{Pos: diag.Pos{File: "r", Line: 3}, Severity: diag.Warning, Message: "m"},
			"::warning file=r,line=3::m\n",
		},
		{"no line", diag.Diagnostic{Pos: diag.Pos{File: "r", Col: 3}, Severity: diag.Note, Message: "m"}, "::notice file=r::m\n"},
		{"no place", diag.Diagnostic{Pos: diag.Pos{Line: 3}, Message: "m"}, "::error::m\n"},
		{
			"properties are escaped",
			diag.Diagnostic{Pos: diag.Pos{File: "a,line=9:%\n::x", Line: 1}, Message: "m"},
			"::error file=a%2Cline=9%3A%25 %3A%3Ax,line=1::m\n",
		},
		{"data is escaped", diag.Diagnostic{Message: "100%\r\n::add-mask::x\x1b[31m"}, "::error::100%25%0A::add-mask::x\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			Annotate(&out, diag.List{tt.d})
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnnotateTenOfAKind(t *testing.T) {
	t.Parallel()
	var l diag.List
	for i := range 13 {
		l.Errorf(diag.Pos{File: "r", Line: i + 1}, "c", "error %d", i)
		l.Add(diag.Diagnostic{Severity: diag.Warning, Message: fmt.Sprint("warning ", i)})
	}
	l = l[:len(l)-6] // ten of each
	for range 4 {
		l.Errorf(diag.Pos{File: "r"}, "c", "late")
	}
	var out bytes.Buffer
	Annotate(&out, l)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 20 {
		t.Errorf("%d annotations, want 10 errors and 10 warnings:\n%s", len(lines), out.String())
	}
	if want := "::error file=r,line=10,title=c::error 9%0A(and 4 more, which are in the log)"; lines[9] != want {
		t.Errorf("the tenth error is %q, want %q", lines[9], want)
	}
	if want := "::warning::warning 9"; lines[19] != want {
		t.Errorf("the tenth warning is %q, want %q: there are no more", lines[19], want)
	}
}
