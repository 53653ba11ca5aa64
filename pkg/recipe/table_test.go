package recipe

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// rows calls f for each row of the table, with its path.
func rows(s *spec, path string, f func(path string, w wordSpec)) {
	for s.kind == listKind {
		s = s.item
	}
	for _, w := range s.words {
		if path == whenKey && slices.ContainsFunc(content, func(c word[Recipe]) bool { return c.key == w.key }) {
			continue // the same rows as at the top
		}
		p := within(path, w.key)
		f(p, w)
		rows(w.spec, p, f)
	}
}

func TestEveryWordIsDocumented(t *testing.T) {
	t.Parallel()
	rows(language, "", func(path string, w wordSpec) {
		if !strings.HasSuffix(w.doc, ".") || !unicode.IsUpper([]rune(w.doc)[0]) {
			t.Errorf("%s: the documentation is no sentence: %q", path, w.doc)
		}
		if len(w.examples) == 0 {
			t.Errorf("%s: has no example", path)
		}
		if strings.ToLower(w.key) != w.key || strings.ContainsAny(w.key, "_ ") {
			t.Errorf("%s: the key is not in kebab case", path)
		}
	})
}

// TestEveryExampleIsAccepted walks each example as what stands after its key.
func TestEveryExampleIsAccepted(t *testing.T) {
	t.Parallel()
	rows(language, "", func(path string, w wordSpec) {
		for _, example := range w.examples {
			var problems diag.List
			s := &source{name: path, dir: ".", text: []byte(example)}
			node := s.compose(&problems)
			if node != nil {
				(&walker{src: s, problems: &problems}).walk(w.spec, node, place{s.of(node), path})
			}
			for _, d := range problems {
				t.Errorf("%s: %s: %v; %s", path, example, d, d.Hint)
			}
		}
	})
}

// TestEveryRuleExplainsItself asks for what messages are made of.
func TestEveryRuleExplainsItself(t *testing.T) {
	t.Parallel()
	judge := func(path string, r *rule) {
		if r.what == "" {
			t.Errorf("%s: the rule does not name what it is of", path)
		}
		if r.form == "" && r.choices == nil {
			t.Errorf("%s: the rule has no hint", path)
		}
		if r.pattern == nil && r.choices == nil && r.inspect == nil && r.most == 0 && !r.lines && !r.variables {
			t.Errorf("%s: the rule allows everything", path)
		}
		if r.pattern != nil && !strings.HasPrefix(r.pattern.String(), "^(?:") {
			t.Errorf("%s: the pattern matches parts of texts", path)
		}
	}
	rows(language, "", func(path string, w wordSpec) {
		s := w.spec
		if s.kind == listKind {
			s = s.item
		}
		switch s.kind {
		case textKind, numberKind:
			judge(path, s.rule)
		case pairsKind:
			judge(path, s.rule)
			judge(path, s.keys)
		}
	})
}

// TestFullRecipeSaysEverything makes sure that every row of the table is in
// the recipe that the other tests use as the whole language, and that each
// arrives in a field.
func TestFullRecipeSaysEverything(t *testing.T) {
	t.Parallel()
	s := &source{name: "full.yaml", dir: ".", text: readTestdata(t, "ok/full.yaml")}
	o := Options{Lookup: func(string) (string, bool) { return "x", true }}
	var problems diag.List
	v, _ := s.parse(o, false, &problems)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	said := map[string]bool{}
	var visit func(v *value, path string)
	visit = func(v *value, path string) {
		said[path] = true
		for _, m := range v.members {
			visit(m.value, within(path, m.key.Value))
		}
		for _, i := range v.items {
			visit(i, path)
		}
	}
	visit(v, "")
	rows(language, "", func(path string, _ wordSpec) {
		if !said[path] {
			t.Errorf("%s is not in ok/full.yaml", path)
		}
	})

	r := bind("full.yaml", v)
	filled := map[string]bool{}
	fields(reflect.ValueOf(*r), "Recipe", filled)
	for path, ok := range filled {
		if !ok {
			t.Errorf("no word goes to %s", path)
		}
	}
}

// fields notes of each field whether it is set in any of the values there are.
func fields(v reflect.Value, path string, filled map[string]bool) {
	switch v.Kind() {
	case reflect.Slice:
		filled[path] = filled[path] || v.Len() > 0
		for i := range v.Len() {
			fields(v.Index(i), path+"[]", filled)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue // not of the language
			}
			fields(v.Field(i), path+"."+v.Type().Field(i).Name, filled)
		}
	default:
		filled[path] = filled[path] || !v.IsZero()
	}
}

func TestHomeOf(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"install": "packages", "architectures": "kernel.args", "to": "publish", "present": "tests.packages",
		"version": "", "repos": "", "distro": "base", "nonesuch": "",
	} {
		if got := homeOf(key); got != want {
			t.Errorf("homeOf(%q) = %q, want %q", key, got, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"1B", 1, true},
		{"12GiB", 12 << 30, true},
		{"500MB", 500_000_000, true},
		{"1.5KiB", 1536, true},
		{"0.3B", 0, true},
		{"8388607TiB", 8388607 << 40, true},
		{"8388608TiB", 0, false},
		{"12", 0, false},
		{"GiB", 0, false},
		{"1.2.3GiB", 0, false},
		{"-1GiB", 0, false},
		{"", 0, false},
	} {
		got, ok := parseSize(c.text)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("parseSize(%q) = %d, %t, want %d, %t", c.text, got, ok, c.want, c.ok)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule *rule
		good []string
		bad  []string
	}{
		{nameRule, []string{"a", "a-b", "a__b", "a.b", "a--b"}, []string{"A", "-a", "a-", "a___b", "a/b", "a..b", ""}},
		{packageRule, []string{"gcc-c++", "kernel*", "[a-z]ibus", "libc6:i386", "a=1.0-2", "python3.12"}, []string{"***", "a;b", "a b", "-a", "a&b", "a>b", "a\nb", "~a"}},
		{unitRule, []string{"a.service", "a@b.timer", `x\x2dy.mount`}, []string{"a", ".service", `x\y.mount`, "a.service ", "a/b.service"}},
		{languageRule, []string{"ko_KR.UTF-8", "C.UTF-8", "ca_ES.UTF-8@valencia", "ast_ES.UTF-8", "tok.UTF-8", "sr_RS.UTF-8@latin"}, []string{"C", "POSIX", "ko", "ko_KR.EUC-KR", "ko_US.UTF-8", "ko_KR.UTF-8 ", "ko_KR.UTF-8@x", "english"}},
		{timezoneRule, []string{"UTC", "Asia/Seoul", "America/Argentina/Buenos_Aires", "Etc/GMT+9", "ROK", "US/Pacific", "Asia/Saigon"}, []string{"KST", "Asia/", "../UTC", "asia/seoul", "Asia/Seoul/", "Factory", "localtime", "posix/UTC", "+9", "/"}},
		{keymapRule, []string{"kr", "us-intl", "tr_q-latin5", "fr_CH", "de_CH-latin1", "uk", "jp106", "sv-latin1"}, []string{"ko", "ko_KR", "en", "us,kr", "US", "../us", ""}},
		{kernelArgumentRule, []string{"quiet", "console=tty0", "ip=192.168.0.1::192.168.0.254:255.255.255.0:h:eth0:off", "rd.luks.name=a-b=root"}, []string{"a b", "=x", "root=x", "a=$b", "a=`b`", `a="b"`}},
		{imageRule, []string{"quay.io/a/b", "localhost/a", "localhost:5000/a/b:c", "docker://quay.io/a/b", "oci:out/x", "dir:/x", "quay.io/a/b:t@sha256:" + strings.Repeat("0", 64)}, []string{"a", "a/b", "docker:quay.io/a/b", "quay.io/", "/a/b", "quay.io/a b", "oci:x y"}},
		{targetRule, []string{"ghcr.io/a/b", "localhost:5000/a", "127.0.0.1:5000/a", "[::1]:5000/a"}, []string{"a", "a/b", "ghcr.io/a:t", "ghcr.io/A", "dir:x", "ghcr.io"}},
		{
			targetRule,
			[]string{"oci:out/layout", "oci-archive:out/{git}.tar", "docker-archive:/srv/a b-{version}.tar", "containers-storage:localhost/a-{major}", "containers-storage:a"},
			[]string{"oci:", "oci:a:b", "oci-archive:out/", "oci-archive:{gti}.tar", "oci-archive:a{b", "docker-archive:$(x)", "containers-storage:a:b", "containers-storage:A", "oci-archve:x", "docker-daemon:a", "s3://a/b"},
		},
		{tagRule, []string{"latest", "{date}", "v{major}.{minor}", "_x", "{git-branch}-{git}"}, []string{".x", "{}", "{date", "date}", "{Date}", "a b", "a:b"}},
		{signingKeyRule, []string{"cosign.key", "/root/cosign.key", "env://A_B", "awskms:///alias/x", "k8s://ns/name"}, []string{"env://a-b", "http://x/y", "a\x00b", "a;b"}},
		{destinationRule, []string{"/", "/etc/a", "/usr/share/한글"}, []string{"etc", "/etc/", "/a//b", "/a/../b", "/dev/x", "/tmp", "/etc/$x", "/etc/'x'"}},
		{modeRule, []string{"644", "0644", "4755"}, []string{"0o644", "64", "0999", "06444"}},
		{ownerRule, []string{"root:root", "0:0", "systemd-network:_x"}, []string{"root", "root:", ":0", "Root:root", "a:b:c"}},
		{distroRule, []string{"centos-10", "debian-12", "fedora-44"}, []string{"centos", "centos-", "centos-0", "arch-1", "rhel-9.4", "centos10", "cent-os-10"}},
		{includeRule, []string{"kde", "input-method-hangul", "./a.yaml", "./a/b.yml"}, []string{"a.yaml", "KDE", "/a", "~/a", ".a", "../a"}},
		{knownRepoRule, []string{"epel", "non-free"}, []string{"EPEL", "owner/project", "https://a/b", "a.repo", ""}},
		{coprRule, []string{"owner/project", "@group/project", "a/b+c"}, []string{"owner", "a/b/c", "https://copr.fedorainfracloud.org/coprs/a/b", "@/b", "a b/c"}},
		{chrootRule, []string{"epel-10-x86_64", "rhel+epel-9-aarch64", "fedora-rawhide-x86_64", "centos-stream-10-x86_64"}, []string{"epel-10", "epel-10-amd64", "epel10-x86_64", "-10-x86_64"}},
		{repoURLRule, []string{"https://a/$basearch", "http://a:80/b", "file:///srv/repo", "https://a/b?c=d&e=f"}, []string{"a/b", "ftp://a/b", "https://u:p@a/b", "https://u@a/b", "https://a/ b", "https:/a", "https://a/${ARCH}"}},
		{gpgKeyRule, []string{"https://a/key", "keys/a.asc"}, []string{"http://a/key", "/etc/key", "../key", "ftp://a/key", "https://u:p@a/key"}},
		{packageURLRule, []string{"https://a/b.rpm", "http://a/b_1.0~1_amd64.deb"}, []string{"https://a/b", "file:///b.rpm", "https://u:p@a/b.rpm"}},
		{sha256Rule, []string{strings.Repeat("0a", 32)}, []string{strings.Repeat("0A", 32), strings.Repeat("0", 63), "sha256:" + strings.Repeat("0", 64), strings.Repeat("g", 64)}},
		{packageOrFileRule, []string{"wine", "./a.rpm", "./a b/c.deb"}, []string{"a.rpm", "./a", "/a.rpm", "~/a.rpm", "../a.rpm", "https://a/b.rpm", "@core"}},
		{groupRule, []string{"core", "@core", "KDE Plasma Workspaces", "C++ (all)"}, []string{"@@core", "@", " core", "core ", "a;b", "a$b", "a\"b"}},
		{userNameRule, []string{"kiosk", "_a", "a-1"}, []string{"Kiosk", "1a", "a b", "a,b", "a:b", strings.Repeat("a", 32)}},
		{gecosRule, []string{"Kiosk of the lobby", "한글"}, []string{"a:b", " a", "a\"b", "a%b", `a\b`}},
		{sshKeyRule, []string{"keys/me.pub", "id_ed25519.pub", "authorized_keys"}, []string{"id_ed25519", "keys/id_rsa", "ssh-ed25519 AAAA me", "sk-ssh-ed25519@openssh.com AAAA", "/root/a.pub"}},
		{publicKeyRule, []string{"cosign.pub", "keys/a.pem"}, []string{"cosign.key", "/etc/a.pub", "../a.pub"}},
		{hostnameRule, []string{"kiln", "a.b", "0"}, []string{"a_b", "A", "-a", "a-", "a..b", strings.Repeat("a", 65)}},
		{applicationRule, []string{"org.mozilla.firefox", "io.github.a_b.C-d"}, []string{"a.b", "a.b.c//stable", "a..b", "a b.c.d", "1.2.3"}},
		{dracutModuleRule, []string{"crypt", "vmw_pvscsi", "90kiln"}, []string{"a b", "a,b", "nvme.ko", "nvme.ko.xz", "-a"}},
		{scopeRule, []string{"ghcr.io/me", "localhost:5000", "a.b/c/d"}, []string{"https://ghcr.io", "ghcr.io/Me", "ghcr.io/me:tag", "ghcr.io/"}},
		{versionGlobRule, []string{"6.12.*", "1:2.0-1"}, []string{">= 6", "", "a b"}},
		{durationRule, []string{"5m", "1h30m", "1.5s"}, []string{"5", "0s", "-5m", "5 m"}},
		{familyRule, []string{"el", "el-10", "debian"}, []string{"el10", "arch", "EL", ""}},
		{labelKeyRule, []string{"a", "org.example.a", "a/b_c-d"}, []string{"-a", "a.", "a b", "한"}},
	} {
		src := &source{dir: "."}
		for _, text := range c.good {
			if d := c.rule.judge(text, src); d != nil {
				t.Errorf("%s: %q is refused: %s", c.rule.what, text, d.Message)
			}
		}
		for _, text := range c.bad {
			if d := c.rule.judge(text, src); d == nil {
				t.Errorf("%s: %q is accepted", c.rule.what, text)
			}
		}
	}
}
