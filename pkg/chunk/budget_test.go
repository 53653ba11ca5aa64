package chunk

import (
	"errors"
	"testing"
)

// TestBudget says of an image that does not fit what was asked for, and with what
// it would fit.
func TestBudget(t *testing.T) {
	t.Parallel()
	in := filesOf([]int64{20 << 20, 20 << 20, 20 << 20, 20 << 20, 20 << 20, 20 << 20})
	o := Options{Layers: 2, Largest: 10 << 20}
	_, err := Assign(in, nil, o)
	var full *BudgetError
	if !errors.As(err, &full) {
		t.Fatalf("err = %v", err)
	}
	if full.Layers != 2 || full.Largest != 10<<20 || full.Needed <= 2 {
		t.Errorf("%+v", full)
	}
	o.Layers = full.Needed
	if _, err := Assign(in, nil, o); err != nil {
		t.Errorf("with as many layers as it asks for: %v", err)
	}
	w := &writer{}
	if _, err := w.plan(in, nil, Options{Layers: 4, Largest: 10 << 20}); err == nil || err.Error() != "the image needs about 8 layers of at most 10 MiB each, and may have 4" {
		t.Errorf("of a rewrite: %v", err)
	}
}
