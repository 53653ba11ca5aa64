package fakesigstore

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	ct "github.com/google/certificate-transparency-go"
	cttls "github.com/google/certificate-transparency-go/tls"
	ctx509 "github.com/google/certificate-transparency-go/x509"
)

// issuer is a certificate authority.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newIssuer makes an authority that by vouches for; nil makes a root.
func newIssuer(t testing.TB, by *issuer) *issuer {
	t.Helper()
	own := &issuer{key: newKey(t), cert: &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Test sigstore"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}}
	if by == nil {
		by = own
	} else {
		own.cert.Subject.CommonName = "Test sigstore intermediate"
	}
	der, err := x509.CreateCertificate(rand.Reader, own.cert, by.cert, own.key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	if own.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return own
}

func (s *Sigstore) serveCertificate(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+s.token {
		http.Error(w, "the token is not valid", http.StatusUnauthorized)
		return
	}
	leaf, err := s.certify(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var chain []string
	for _, der := range [][]byte{leaf, s.intermediate.cert.Raw, s.authority.cert.Raw} {
		chain = append(chain, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	reply(w, http.StatusOK, map[string]any{
		"signedCertificateEmbeddedSct": map[string]any{"chain": map[string]any{"certificates": chain}},
	})
}

// certify makes a certificate for the key of a request, whose holder proves to
// have it by a signature of the subject.
func (s *Sigstore) certify(r *http.Request) ([]byte, error) {
	var asked struct {
		Request struct {
			Key   struct{ Content string } `json:"publicKey"`
			Proof []byte                   `json:"proofOfPossession"`
		} `json:"publicKeyRequest"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(asked.Request.Key.Content))
	if block == nil {
		return nil, errors.New("the key is not in PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := public.(*ecdsa.PublicKey)
	subject := sha256.Sum256([]byte(Subject))
	if !ok || !ecdsa.VerifyASN1(key, subject[:], asked.Request.Proof) {
		return nil, errors.New("the proof is wrong")
	}
	return s.issue(key)
}

// The extensions of certificates: RFC 6962 section 3.1 and 3.3, and
// https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md.
var (
	oidPoison = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3}
	oidSCTs   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
	oidIssuer = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}
	oidRaw    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1} // the same, and all that cosign reads
)

// issue makes a certificate of ten minutes with the timestamp of the
// certificate log in it. The log signs what is the certificate without it.
func (s *Sigstore) issue(key *ecdsa.PublicKey) ([]byte, error) {
	subject, err := url.Parse(Subject)
	if err != nil {
		return nil, err
	}
	by, err := asn1.MarshalWithParams(Issuer, "utf8")
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore:    time.Now().Add(-time.Minute), NotAfter: time.Now().Add(9 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		URIs: []*url.URL{subject}, ExtraExtensions: []pkix.Extension{{Id: oidRaw, Value: []byte(Issuer)}, {Id: oidIssuer, Value: by}},
	}
	last := func(e pkix.Extension) ([]byte, error) {
		t := *template
		t.ExtraExtensions = append(slices.Clone(template.ExtraExtensions), e)
		return x509.CreateCertificate(rand.Reader, &t, s.intermediate.cert, key, s.intermediate.key)
	}
	poisoned, err := last(pkix.Extension{Id: oidPoison, Critical: true, Value: asn1.NullBytes})
	if err != nil {
		return nil, err
	}
	stamps, err := s.stamp(poisoned)
	if err != nil {
		return nil, err
	}
	return last(pkix.Extension{Id: oidSCTs, Value: stamps})
}

// stamp returns the value of the extension that a certificate gets from the log
// for its poisoned twin.
func (s *Sigstore) stamp(poisoned []byte) ([]byte, error) {
	// Its kind of error says that the poison is critical, and unknown.
	twin, err := ctx509.ParseCertificate(poisoned)
	if ctx509.IsFatal(err) {
		return nil, err
	}
	by, err := ctx509.ParseCertificate(s.intermediate.cert.Raw)
	if err != nil {
		return nil, err
	}
	at := uint64(time.Now().UnixMilli())
	leaf, err := ct.MerkleTreeLeafFromChain([]*ctx509.Certificate{twin, by}, ct.PrecertLogEntryType, at)
	if err != nil {
		return nil, err
	}
	id, err := logID(s.ctlog)
	if err != nil {
		return nil, err
	}
	sct := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, LogID: ct.LogID{KeyID: id}, Timestamp: at}
	text, err := ct.SerializeSCTSignatureInput(sct, ct.LogEntry{Leaf: *leaf})
	if err != nil {
		return nil, err
	}
	signature, err := cttls.CreateSignature(*s.ctlog, cttls.SHA256, text)
	if err != nil {
		return nil, err
	}
	sct.Signature = ct.DigitallySigned(signature)
	one, err := cttls.Marshal(sct)
	if err != nil {
		return nil, err
	}
	list, err := cttls.Marshal(ctx509.SignedCertificateTimestampList{SCTList: []ctx509.SerializedSCT{{Val: one}}})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(list)
}
