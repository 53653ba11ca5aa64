package chunk

import (
	"fmt"

	"github.com/dustin/go-humanize"
)

// BudgetError says that an image does not fit into the layers that it may have.
type BudgetError struct {
	// Needed is about how many layers it takes, Layers how many it may have.
	Needed, Layers int
	// Largest is how many compressed bytes each of them may have.
	Largest int64
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("the image needs about %d layers of at most %s each, and may have %d",
		e.Needed, humanize.IBytes(uint64(e.Largest)), e.Layers)
}
