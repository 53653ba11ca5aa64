package diag

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPos(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]Pos{
		"-":     {Line: 3},
		"f":     {File: "f", Col: 2},
		"f:3":   {File: "f", Line: 3},
		"f:3:2": {File: "f", Line: 3, Col: 2},
	} {
		if got := p.String(); got != want {
			t.Errorf("%#v is %q, want %q", p, got, want)
		}
		if p.IsValid() != (p.File != "") {
			t.Errorf("%#v: IsValid is %t", p, p.IsValid())
		}
	}
}

func TestListSort(t *testing.T) {
	t.Parallel()
	var l List
	for _, p := range []Pos{{"b", 1, 1}, {"a", 2, 1}, {"a", 1, 2}, {"a", 1, 1}, {"a", 1, 1}} {
		l.Errorf(p, "code", "problem %d", 1)
	}
	l.Errorf(Pos{"a", 1, 1}, "before", "problem")
	l.Sort()
	var got []string
	for _, d := range l {
		got = append(got, d.String())
	}
	want := []string{
		"a:1:1: problem (before)", "a:1:1: problem 1 (code)", "a:1:2: problem 1 (code)", "a:2:1: problem 1 (code)", "b:1:1: problem 1 (code)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestListErr(t *testing.T) {
	t.Parallel()
	warnings := List{{Severity: Warning, Code: "w", Message: "careful"}, {Severity: Note, Code: "n", Message: "so"}}
	if err := warnings.Err(); err != nil || warnings.HasErrors() {
		t.Errorf("warnings are %v", err)
	}
	all := append(warnings, Diagnostic{Code: "e", Message: "bad"})
	err := fmt.Errorf("reading: %w", all.Err())
	var le *ListError
	if !errors.As(err, &le) || len(le.List) != 3 {
		t.Fatalf("got %v", err)
	}
	if want := "-: careful (w)\n-: so (n)\n-: bad (e)"; le.Error() != want {
		t.Errorf("got %q", le.Error())
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	in := List{
		{Pos: Pos{"f", 1, 2}, Path: "a.b", Code: "c", Message: "m", Hint: "h"},
		{Severity: Warning, Code: "c", Message: "m"},
		{Severity: Note, Code: "c", Message: "m"},
	}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"file":"f","line":1,"column":2,"path":"a.b","severity":"error","code":"c","message":"m","hint":"h"},` +
		`{"severity":"warning","code":"c","message":"m"},{"severity":"note","code":"c","message":"m"}]`
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Error(diff)
	}
	var out List
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal([]byte(`[{"severity":"fatal"}]`), &out); err == nil {
		t.Error("an unknown severity is accepted")
	}
	if got := Severity(7).String(); got != "severity(7)" {
		t.Errorf("got %q", got)
	}
}
