package check

import (
	"testing"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

func TestRestricted(t *testing.T) {
	t.Parallel()
	rhel := fake.Files{"usr/lib/os-release": fake.Text("ID=\"rhel\"\nVERSION_ID=\"10.0\"\n")}
	with := func(rpm fake.RPM) fake.Files {
		db, _ := fake.RPMDatabase(t, rpm.Header())
		return rhel.With(fake.Files{"usr/share/rpm/rpmdb.sqlite": fake.Text(string(db))})
	}
	ubi := map[string]string{"com.redhat.license_terms": "https://www.redhat.com/en/about/red-hat-end-user-license-agreements#UBI"}
	for name, c := range map[string]struct {
		files  fake.Files
		labels map[string]string
		want   string
	}{
		"other":                           {files: fake.Files{"usr/lib/os-release": fake.Text("ID=centos\nID_LIKE=\"rhel fedora\"\n")}, labels: map[string]string{"redhat.id": "centos", "redhat.compose-id": "CentOS-Stream-10-20250427.0"}},
		"nothing":                         {},
		"os-release":                      {files: rhel, want: "its os-release says ID=rhel"},
		"licence of RHEL":                 {files: rhel, labels: map[string]string{"com.redhat.license_terms": "https://www.redhat.com/agreements"}, want: "its os-release says ID=rhel"},
		"renamed":                         {labels: map[string]string{"redhat.id": "rhel"}, want: "its label redhat.id says rhel"},
		"compose":                         {labels: map[string]string{"redhat.compose-id": "RHEL-10.0-20250427.0"}, want: "its label redhat.compose-id says RHEL-10.0-20250427.0"},
		"base":                            {labels: map[string]string{imgspecv1.AnnotationBaseImageName: "registry.redhat.io/rhel9/rhel-bootc:9.6"}, want: "its label org.opencontainers.image.base.name says registry.redhat.io/rhel9/rhel-bootc:9.6"},
		"UBI":                             {files: rhel, labels: ubi},
		"UBI, no kernel":                  {files: with(fake.RPM{Name: "bash", Version: "5", Release: "1", Vendor: "Red Hat, Inc."}), labels: ubi},
		"UBI with the kernel of another":  {files: with(fake.RPM{Name: "kernel-core", Version: "6", Release: "1", Vendor: "CentOS"}), labels: ubi},
		"UBI with the kernel of Red Hat":  {files: with(fake.RPM{Name: "kernel-core", Version: "6", Release: "1", Vendor: "Red Hat, Inc."}), labels: ubi, want: "Universal Base Images have no kernel, and it has kernel-core of Red Hat, Inc."},
		"UBI with a kernel in real time":  {files: with(fake.RPM{Name: "kernel-rt-core", Version: "6", Release: "1", Vendor: "Red Hat, Inc."}), labels: ubi, want: "Universal Base Images have no kernel, and it has kernel-rt-core of Red Hat, Inc."},
		"UBI, whose labels say otherwise": {files: rhel, labels: map[string]string{"com.redhat.license_terms": "#UBI", "redhat.id": "rhel"}, want: "its label redhat.id says rhel"},
	} {
		got, err := Restricted(t.Context(), fake.New(t, imgspecv1.Image{Config: imgspecv1.ImageConfig{Labels: c.labels}}, c.files))
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
	broken := rhel.With(fake.Files{"usr/share/rpm/rpmdb.sqlite": fake.Text("no database")})
	if _, err := Restricted(t.Context(), fake.New(t, imgspecv1.Image{Config: imgspecv1.ImageConfig{Labels: ubi}}, broken)); err == nil {
		t.Error("a database that cannot be read was passed over")
	}
}

func TestRestrictedReference(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"registry.redhat.io/rhel10/rhel-bootc:10.0":            true,
		"docker://registry.redhat.io/rhel9-eus/rhel-9.4-bootc": true,
		"harbor.lan/mirror/rhel9/rhel-bootc@sha256:" + zeros:   true,
		"registry.redhat.io/ubi9/ubi":                          false,
		"registry.access.redhat.com/ubi10-init":                false,
		"quay.io/centos-bootc/centos-bootc:stream10":           false,
		"containers-storage:localhost/rhel-bootc":              false,
		"oci:rhel-bootc": false,
		"":               false,
	} {
		if got := RestrictedReference(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"
