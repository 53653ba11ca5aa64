package check

import (
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// Problems returns the report as problems without a place, as package progress
// annotates a job of GitHub with: one for each rule that found something or could not run,
// errors first. GitHub shows ten of a severity, so that one for each finding
// would let the first rule hide all others. Its findings are told as in the
// text. Files of the image are no files of the repository: they are named in
// the message.
func (r *Report) Problems() diag.List {
	var list diag.List
	for _, o := range r.bySeverity() {
		if o.tells() {
			list.Add(diag.Diagnostic{Severity: o.Severity, Code: o.ID, Message: strings.TrimSuffix(r.explain(o), "\n")})
		}
	}
	return list
}
