package recipe

import (
	"fmt"
	"math/big"
	"strings"
)

// sizeUnits are the units of sizes, in bytes: powers of 1000 as SI has them,
// and of 1024 as IEC 80000-13 has them.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"B", 1},
	{"kB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
}

var plainNumber = whole(`[0-9]+(?:[.][0-9]+)?`)

func sizeUnitNames() []string {
	var names []string
	for _, u := range sizeUnits {
		names = append(names, u.name)
	}
	return names
}

// parseSize returns the bytes of "12GiB" or "1.5GB", rounded down; ok is false
// where the text is none or the number is too large to be told.
func parseSize(text string) (bytes int64, ok bool) {
	unit := strings.TrimLeft(text, "0123456789.")
	number, ok := new(big.Rat).SetString(strings.TrimSuffix(text, unit))
	if !ok {
		return 0, false
	}
	for _, u := range sizeUnits {
		if u.name == unit {
			number.Mul(number, new(big.Rat).SetInt64(u.bytes))
			whole := new(big.Int).Quo(number.Num(), number.Denom())
			return whole.Int64(), whole.IsInt64()
		}
	}
	return 0, false
}

// leastLayer is what the planner of layers can work with.
const leastLayer = 1 << 20

func inspectLayerSize(text string, in *source) *fault {
	if f := inspectSize(text, in); f != nil {
		return f
	}
	if n, _ := parseSize(text); n < leastLayer {
		return &fault{why: "so small none is cut"}
	}
	return nil
}

func inspectSize(text string, _ *source) *fault {
	if n, ok := parseSize(text); ok {
		if n == 0 {
			return &fault{why: "nothing is that small"}
		}
		return nil
	}
	unit := strings.TrimLeft(text, "0123456789.")
	number := strings.TrimSuffix(text, unit)
	if !plainNumber.MatchString(number) {
		return &fault{}
	}
	for _, u := range sizeUnits {
		if u.name == unit {
			return &fault{why: "no disk has that many"}
		}
		if strings.EqualFold(strings.TrimSpace(unit), u.name) {
			return &fault{hint: fmt.Sprintf("write %q", number+u.name)}
		}
	}
	switch strings.ToUpper(strings.TrimSpace(unit)) {
	case "K", "M", "G", "T":
		letter := strings.ToUpper(strings.TrimSpace(unit))
		return &fault{why: "the unit is not whole", hint: fmt.Sprintf("write %q for powers of 1024", number+letter+"iB")}
	case "":
		return &fault{why: "it has no unit"}
	}
	return &fault{hint: "the units are " + strings.Join(sizeUnitNames(), ", ")}
}
