package recipe

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

var (
	bootModeRule = &rule{
		what: "a way to boot", choices: []string{"auto", "direct", "ostree", "install", "off"},
		synonyms: map[string]string{"none": "off", "never": "off", "disabled": "off", "false": "off", "no": "off", "bootc": "install"},
	}

	unitGlobRule = &rule{
		what: "a unit name", form: "a name with its suffix, globs allowed, as in vendor-*.service",
		pattern: whole(`(?:[A-Za-z0-9:_.@*?\[\]-]|\\x[0-9a-f]{2})+[.](?:[*]|` + strings.Join(unitSuffixes, "|") + `)`),
		inspect: func(text string, src *source) *fault {
			if _, err := path.Match(text, ""); err != nil {
				return &fault{why: "its brackets do not match"}
			}
			if strings.ContainsAny(text, "*?[") {
				return nil
			}
			return inspectUnit(text, src)
		},
	}

	bootCommandRule = &rule{what: "a shell command", form: "as in \"systemctl is-active sshd\"", longest: 4096, lines: true}

	exitStatusRule = &rule{what: "an exit status", form: "a number from 0 to 255", most: 255}

	portRule = &rule{
		what: "a port", form: "a number and its protocol, as in 22/tcp or 53/udp",
		pattern: whole(`[1-9][0-9]{0,4}/(?:tcp|udp)`),
		inspect: func(text string, _ *source) *fault {
			number, protocol, _ := strings.Cut(text, "/")
			n, err := strconv.Atoi(number)
			switch {
			case err != nil:
				return nil
			case n < 1 || n > 65535:
				return &fault{why: "ports are numbers from 1 to 65535"}
			case protocol == "":
				return &fault{hint: fmt.Sprintf("write %s/tcp, or %[1]s/udp", number)}
			}
			return nil
		},
	}

	regexpRule = &rule{
		what: "a regular expression", form: "as RE2 has them, as in ^kiln-[0-9]+$", longest: 1024,
		inspect: func(text string, _ *source) *fault {
			if _, err := regexp.Compile(text); err != nil {
				why := err.Error()
				if parse, ok := errors.AsType[*syntax.Error](err); ok {
					why = fmt.Sprintf("%s: %s", parse.Code, quote(parse.Expr))
				}
				return &fault{why: why}
			}
			return nil
		},
	}
)
