package testregistry

import "github.com/bootkiln/bootkiln/test/faultproxy"

// Fault is that of the proxy before real registries.
type Fault = faultproxy.Fault

// The ways of a connection to end.
const (
	Answered  = faultproxy.Answered
	Closed    = faultproxy.Closed
	Reset     = faultproxy.Reset
	Silent    = faultproxy.Silent
	Frozen    = faultproxy.Frozen
	Truncated = faultproxy.Truncated
)
