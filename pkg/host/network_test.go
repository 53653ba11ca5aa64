package host

import (
	"testing"
)

func TestNetwork(t *testing.T) {
	t.Parallel()
	runChecks(t, []checkCase{
		{"no proxy", "proxy", func(*fake) {}, nil},
		{"proxy", "proxy", func(f *fake) {
			f.env["https_proxy"] = "http://me:hunter2@proxy.example:3128"
			f.env["HTTP_PROXY"] = "proxy.example:3128"
			f.env["NO_PROXY"] = "localhost,.example"
		}, []want{{Note, "HTTP_PROXY=http://proxy.example:3128 HTTPS_PROXY=http://me:xxxxx@proxy.example:3128 NO_PROXY=localhost,.example", ""}}},
		{"two proxies", "proxy", func(f *fake) {
			f.env["https_proxy"], f.env["HTTPS_PROXY"] = "http://a", "http://b"
		}, []want{{Warning, "HTTPS_PROXY and https_proxy differ", "both"}, {Note, "HTTPS_PROXY=http://b", ""}}},
		{"same proxy twice", "proxy", func(f *fake) {
			f.env["https_proxy"], f.env["HTTPS_PROXY"] = "http://a", "http://a"
		}, []want{{Note, "HTTPS_PROXY=http://a", ""}}},
		{"no address", "proxy", func(f *fake) { f.env["HTTPS_PROXY"] = "http://me:hunter2@:::%zz" }, []want{{Warning, "HTTPS_PROXY is not the address", "http://host:port"}}},
		{"no host", "proxy", func(f *fake) { f.env["ALL_PROXY"] = "http://" }, []want{{Warning, "ALL_PROXY is not the address", "http://host:port"}}},
		{"script", "proxy", func(f *fake) { f.env["WSL_PAC_URL"] = "http://x/proxy.pac" }, []want{{Warning, "WSL_PAC_URL", "HTTPS_PROXY"}}},
		{"script and proxy", "proxy", func(f *fake) {
			f.env["WSL_PAC_URL"], f.env["HTTPS_PROXY"] = "http://x/proxy.pac", "http://a"
		}, []want{{Note, "HTTPS_PROXY=http://a", ""}}},
	})
}
