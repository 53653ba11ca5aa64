package host

import (
	"fmt"
	"net/url"
	"strings"
)

// checkProxy: what pulls, pushes and the steps of a build go through. Nothing
// is said where there is none.
func (m *machine) checkProxy() {
	const check = "proxy"
	var set []string
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"} {
		upper, lower := m.sys.Getenv(name), m.sys.Getenv(strings.ToLower(name))
		value := upper
		if value == "" {
			value = lower
		}
		if value == "" {
			continue
		}
		if upper != "" && lower != "" && upper != lower {
			m.add(check, Warning, fmt.Sprintf("%s and %s differ: programs take the one or the other", name, strings.ToLower(name)),
				"set both to the same value")
		}
		if name == "NO_PROXY" {
			set = append(set, name+"="+value)
			continue
		}
		shown, err := proxyAddress(value)
		if err != nil {
			// The value stays unsaid: it may hold a password.
			m.add(check, Warning, name+" is not the address of a proxy", "write it as http://host:port")
			continue
		}
		set = append(set, name+"="+shown)
	}
	if len(set) > 0 {
		m.add(check, Note, strings.Join(set, " "))
	} else if m.sys.Getenv("WSL_PAC_URL") != "" {
		m.add(check, Warning, "Windows takes its proxy from a script (WSL_PAC_URL), which nothing in Linux reads",
			"set HTTPS_PROXY and NO_PROXY to what the script says")
	}
}

// proxyAddress returns the address for showing, without its password. Like the
// programs that read it, it takes one without a scheme for HTTP.
func proxyAddress(value string) (string, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil {
		return "", err
	}
	if u.Host == "" {
		return "", fmt.Errorf("no host")
	}
	return u.Redacted(), nil
}
