package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// trustPolicy is containers-policy.json(5), as far as it is about registries.
type trustPolicy struct {
	// file is where it is.
	file string
	// fallback holds where no scope does, docker by scope; "" is all others of
	// registries.
	fallback []requirement
	docker   map[string][]requirement
}

// requirement is one of those that an image must fulfil.
type requirement struct {
	Type     string   `json:"type"`
	KeyPath  string   `json:"keyPath"`
	KeyPaths []string `json:"keyPaths"`
	KeyData  string   `json:"keyData"`
	KeyDatas []string `json:"keyDatas"`

	Fulcio        json.RawMessage `json:"fulcio"`
	PKI           json.RawMessage `json:"pki"`
	RekorKeyPath  string          `json:"rekorPublicKeyPath"`
	RekorKeyPaths []string        `json:"rekorPublicKeyPaths"`

	// What no rule looks into is here because the decoder refuses what it does
	// not know.
	KeyType        json.RawMessage `json:"keyType"`
	RekorKeyData   json.RawMessage `json:"rekorPublicKeyData"`
	RekorKeyDatas  json.RawMessage `json:"rekorPublicKeyDatas"`
	SignedIdentity json.RawMessage `json:"signedIdentity"`
	BaseIdentity   json.RawMessage `json:"baseLayerIdentity"`
}

// keyFiles are those that a requirement reads.
func (r requirement) keyFiles() []string {
	files := slices.Concat(r.KeyPaths, r.RekorKeyPaths)
	for _, f := range []string{r.KeyPath, r.RekorKeyPath} {
		if f != "" {
			files = append(files, f)
		}
	}
	return files
}

// The kinds of requirements that the rules speak of.
const (
	rejectAll      = "reject"
	sigstoreSigned = "sigstoreSigned"
	signedBy       = "signedBy"
)

// parsePolicy reads policy.json as strictly as containers/image does
// (signature/policy_config.go): what it does not know is an error, since it
// could be a demand.
func parsePolicy(data []byte) (*trustPolicy, error) {
	var file struct {
		Default    []requirement                       `json:"default"`
		Transports map[string]map[string][]requirement `json:"transports"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		if len(bytes.TrimSpace(data)) == 0 {
			err = errors.New("it is empty")
		}
		return nil, err
	}
	if d.More() {
		return nil, errors.New("there is something behind the end of the policy")
	}
	if err := checkRequirements("default", file.Default); err != nil {
		return nil, err
	}
	for _, transport := range sortedKeys(file.Transports) {
		for _, scope := range sortedKeys(file.Transports[transport]) {
			if err := checkRequirements(fmt.Sprintf("%q of %s", scope, transport), file.Transports[transport][scope]); err != nil {
				return nil, err
			}
		}
	}
	return &trustPolicy{fallback: file.Default, docker: file.Transports["docker"]}, nil
}

func checkRequirements(where string, list []requirement) error {
	if len(list) == 0 {
		return fmt.Errorf("%s has no requirements", where)
	}
	for _, r := range list {
		sources := 0
		for _, given := range []bool{r.KeyPath != "", r.KeyPaths != nil, r.KeyData != "", r.KeyDatas != nil, r.Fulcio != nil, r.PKI != nil} {
			if given {
				sources++
			}
		}
		switch r.Type {
		case "insecureAcceptAnything", rejectAll, "signedBaseLayer":
		case signedBy, sigstoreSigned:
			if sources != 1 {
				return fmt.Errorf("%s: a requirement of type %s has %d sources of keys instead of one", where, r.Type, sources)
			}
		default:
			return fmt.Errorf("%s: there is no requirement of type %q", where, r.Type)
		}
	}
	return nil
}

// of returns the requirements for a repository, and the scope that they are
// under, in the words of the policy.
func (p *trustPolicy) of(repository string) (scope string, list []requirement) {
	for _, s := range append(scopesOf(repository), "") {
		if list, ok := p.docker[s]; ok {
			return s, list
		}
	}
	return "default", p.fallback
}

// scopesOf lists what a repository is looked up by, the narrowest first
// (docker/policyconfiguration of containers/image).
func scopesOf(repository string) []string {
	var scopes []string
	name := repository
	for {
		scopes = append(scopes, name)
		slash := strings.LastIndexByte(name, '/')
		if slash < 0 {
			break
		}
		name = name[:slash]
	}
	// What is left is the host, with its port.
	host, _, _ := strings.Cut(name, ":")
	for {
		_, rest, more := strings.Cut(host, ".")
		if !more {
			return scopes
		}
		scopes = append(scopes, "*."+rest)
		host = rest
	}
}

// signatureStores are the files of containers-registries.d(5), merged.
type signatureStores struct {
	fallback *signatureStore
	docker   map[string]signatureStore
}

type signatureStore struct {
	// Attachments says whether signatures are looked for beside the image;
	// nil where the file does not say.
	Attachments *bool `yaml:"use-sigstore-attachments"`
}

// storesFile is one of the files.
type storesFile struct {
	Default *signatureStore           `yaml:"default-docker"`
	Docker  map[string]signatureStore `yaml:"docker"`
}

func parseStores(data []byte) (f storesFile, err error) {
	err = yaml.Unmarshal(data, &f)
	return f, err
}

// merge adds a file. Two that speak of the same are an error of
// containers/image (docker/registries_d.go).
func (s *signatureStores) merge(f storesFile) error {
	if f.Default != nil {
		if s.fallback != nil {
			return errors.New("another file has default-docker too")
		}
		s.fallback = f.Default
	}
	for _, scope := range sortedKeys(f.Docker) {
		if _, ok := s.docker[scope]; ok {
			return fmt.Errorf("another file has %q too", scope)
		}
		s.docker[scope] = f.Docker[scope]
	}
	return nil
}

// attachments reports whether signatures of a repository are looked for beside
// its images.
func (s *signatureStores) attachments(repository string) bool {
	for _, scope := range scopesOf(repository) {
		if store, ok := s.docker[scope]; ok && store.Attachments != nil {
			return *store.Attachments
		}
	}
	return s.fallback != nil && s.fallback.Attachments != nil && *s.fallback.Attachments
}

// The places of the two, the administrator's first. Newer releases of
// containers-common keep what they ship in /usr.
var (
	policyFiles = []string{"etc/containers/policy.json", "usr/share/containers/policy.json"}
	storesDirs  = []string{"etc/containers/registries.d", "usr/share/containers/registries.d"}
)

// readPolicy reads the first policy that is there. Without one both results
// are nil; the second is what is wrong with the policy.
func readPolicy(root image.Root) (_ *trustPolicy, broken *Finding, err error) {
	for _, name := range policyFiles {
		data, err := readSmall(root, name)
		if err != nil {
			return nil, nil, err
		}
		if data == nil {
			continue
		}
		p, parseErr := parsePolicy(data)
		if parseErr != nil {
			f := finding(name, "%v", parseErr)
			return nil, &f, nil
		}
		p.file = name
		return p, nil, nil
	}
	return nil, nil, nil
}

// readStores reads what is right of the files, and says what is wrong.
func readStores(root image.Root) (*signatureStores, []Finding, error) {
	s := &signatureStores{docker: map[string]signatureStore{}}
	files, err := dropIns(root, ".yaml", storesDirs...)
	if err != nil {
		return nil, nil, err
	}
	var out []Finding
	for _, name := range files {
		data, err := readSmall(root, name)
		if err != nil {
			return nil, nil, err
		}
		f, err := parseStores(data)
		if err == nil {
			err = s.merge(f)
		}
		if err != nil {
			out = append(out, finding(name, "%v", err))
		}
	}
	return s, out, nil
}

// keyProblem says why a key cannot be read; "" where it can.
func keyProblem(root image.Root, file string) (string, error) {
	if !path.IsAbs(file) {
		return "is not an absolute path", nil
	}
	data, err := readSmall(root, strings.TrimPrefix(path.Clean(file), "/"))
	switch {
	case err != nil:
		return "", err
	case data == nil:
		return "is not in the image", nil
	case len(data) == 0:
		return "is empty", nil
	}
	return "", nil
}
