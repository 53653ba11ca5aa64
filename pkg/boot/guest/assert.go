package guest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// commandTime is how long a command of the recipe may take.
	commandTime = 60 * time.Second
	// rounds is how often units and ports are looked at, a second apart, before
	// they count as missing: a service that is started need not listen yet.
	rounds = 10
)

// patience is the longest that the assertions may take.
func (e Expect) patience() time.Duration {
	return time.Duration(len(e.Commands))*(commandTime+asking) + time.Duration(len(e.Active)+2)*asking + rounds*time.Second
}

// assert finds out whether what the recipe expects is so.
func (w *watcher) assert(ctx context.Context, e Expect) error {
	var states []Assertion
	for range rounds {
		var err error
		if states, err = w.states(ctx, e); err != nil {
			return err
		}
		if allOK(states) {
			break
		}
		if _, err := w.channel.run(ctx, "sleep 1"); err != nil {
			return err
		}
	}
	for _, c := range e.Commands {
		a, err := w.command(ctx, c)
		if err != nil {
			return err
		}
		states = append(states, a)
	}
	if e.Within > 0 {
		states = append(states, within(e.Within, w.report.Times.Target))
	}
	w.report.Assertions = states
	return nil
}

func allOK(all []Assertion) bool {
	for _, a := range all {
		if !a.OK {
			return false
		}
	}
	return true
}

// states looks at units and ports.
func (w *watcher) states(ctx context.Context, e Expect) ([]Assertion, error) {
	var all []Assertion
	for _, name := range e.Active {
		shown, err := w.show(ctx, []string{"LoadState", "ActiveState", "SubState"}, name)
		if err != nil {
			return nil, err
		}
		a := Assertion{What: name + " is active", Found: "systemd did not say"}
		if len(shown) == 1 {
			a.OK = shown[0]["ActiveState"] == "active"
			a.Found = fmt.Sprintf("it is %s (%s)", shown[0]["ActiveState"], shown[0]["SubState"])
			if load := shown[0]["LoadState"]; load != "loaded" {
				a.Found = "it is " + load
			}
		}
		all = append(all, a)
	}
	if len(e.Ports) == 0 {
		return all, nil
	}
	listening := map[Port]bool{}
	for _, protocol := range []string{"tcp", "udp"} {
		got, err := w.channel.run(ctx, fmt.Sprintf("cat /proc/net/%s /proc/net/%[1]s6", protocol))
		if err != nil {
			return nil, err
		}
		for _, n := range parseListening(got.output, protocol) {
			listening[Port{Number: n, Protocol: protocol}] = true
		}
	}
	for _, p := range e.Ports {
		a := Assertion{What: fmt.Sprintf("something listens on port %d/%s", p.Number, p.Protocol), OK: listening[p]}
		if !a.OK {
			a.Found = "nothing listens on it"
		}
		all = append(all, a)
	}
	return all, nil
}

// parseListening reads /proc/net/tcp, udp and those of IPv6, whose format
// proc(5) has: addresses, ports and states are hexadecimal.
func parseListening(output []byte, protocol string) []int {
	// TCP_LISTEN, and TCP_CLOSE for UDP, where no other end is bound.
	state := map[string]string{"tcp": "0A", "udp": "07"}[protocol]
	var ports []int
	for _, line := range lines(output, 2000) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != state {
			continue
		}
		_, digits, ok := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(digits, 16, 16); ok && err == nil {
			ports = append(ports, int(n))
		}
	}
	return ports
}

// command runs a command of the recipe once, whatever comes of it.
func (w *watcher) command(ctx context.Context, c Command) (Assertion, error) {
	a := Assertion{What: fmt.Sprintf("%s ends with status %d", clean(strconv.Quote(c.Run)), c.Status)}
	command := fmt.Sprintf("timeout -k 5 %d /bin/sh -c %s", int(commandTime.Seconds()), quote(c.Run))
	got, err := w.channel.once(ctx, command, commandTime+asking)
	if errors.Is(err, errSilent) {
		a.Found = "the shell that ran it did not come back"
		return a, w.channel.connect(ctx)
	}
	if err != nil {
		return a, err
	}
	output := strings.TrimRight(string(got.output), " \t\r\n")
	said := "it printed nothing"
	if printed := lines(got.output, mostLog); len(printed) > 0 {
		said = fmt.Sprintf("it printed %q", strings.Join(printed, "\n"))
	}
	switch {
	case got.status == 124 && c.Status != 124:
		a.Found = fmt.Sprintf("it was not done after %s; %s", commandTime, said)
	case got.status != c.Status:
		a.Found = fmt.Sprintf("it ended with status %d; %s", got.status, said)
	case c.Contains != nil && !strings.Contains(output, *c.Contains):
		a.Found = fmt.Sprintf("%q is not in what it printed; %s", *c.Contains, said)
	case c.Equals != nil && output != strings.TrimRight(*c.Equals, " \t\r\n"):
		a.Found = fmt.Sprintf("it did not print %q; %s", *c.Equals, said)
	case c.Matches != nil && !c.Matches.MatchString(output):
		a.Found = fmt.Sprintf("what it printed does not match %q; %s", c.Matches, said)
	default:
		a.OK = true
	}
	return a, nil
}

// within compares the time to the target with the budget.
func within(budget time.Duration, seconds float64) Assertion {
	took := time.Duration(seconds * float64(time.Second)).Round(100 * time.Millisecond)
	return Assertion{
		What: fmt.Sprintf("the target is reached within %s", budget), OK: seconds > 0 && took <= budget,
		Found: fmt.Sprintf("it took %s", took),
	}
}
