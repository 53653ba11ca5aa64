package plan

import (
	"fmt"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// flathub is the address of the remote that needs none in a recipe.
const flathub = "https://dl.flathub.org/repo/flathub.flatpakrepo"

// flatpakTimer starts the service that sets the applications up.
const flatpakTimer = "bootkiln-flatpak.timer"

// flatpak plans the words under "flatpak". Applications live in /var, which
// belongs to the machine: so a service of the image adds the remotes and
// installs the applications once the machine has a network. There is one way
// for all releases: flatpak's own preinstall.d is read from version 1.17 on,
// and by a unit that only some builds have.
//
// A remote's file, with its key, is fetched over https when the remote is
// added, and not while the image is built: what an image holds then does not
// depend on what a server said that day.
func (p *planner) flatpak() {
	in := p.r.Flatpak
	if p.manager == nil || len(in.Remotes) == 0 && len(in.Install) == 0 {
		return
	}
	var remotes, applications strings.Builder
	var origin []Word
	for i, r := range in.Remotes {
		url := r.URL
		if !url.IsSet() {
			url = recipe.String{Value: flathub, Pos: r.Name.Pos}
		}
		if strings.ContainsAny(url.Value, " \t\n") {
			p.problem(url.Pos, "invalid-value", fmt.Sprintf("flatpak.remotes[%d].url", i), "", "%q is not an address", url.Value)
		}
		fmt.Fprintf(&remotes, "%s %s\n", r.Name.Value, url.Value)
		origin = append(origin, Word{Value: r.Name.Value, Origin: r.Name.Pos})
	}
	for _, w := range unique(words(in.Install)) {
		fmt.Fprintf(&applications, "%s\n", w.Value)
		origin = append(origin, w)
	}
	at := origins(origin)
	file := func(folder, mode, name string, content []byte) Instruction {
		return Instruction{Copy: &Copy{
			Sources:     []string{p.place(generated(content, 0o644), "flatpak", name)},
			Destination: folder,
			Mode:        mode,
			Origin:      at[0],
		}}
	}
	p.step(KindFlatpak, "Flatpak, at first boot: "+count(len(unique(words(in.Install))), "application"), at,
		p.work(p.installing(fixed(at[0], "flatpak"))),
		file("/usr/share/bootkiln/flatpak/", "0644", "remotes", []byte(remotes.String())),
		file("/usr/share/bootkiln/flatpak/", "0644", "applications", []byte(applications.String())),
		file("/usr/libexec/", "0755", "bootkiln-flatpak", script("flatpak-setup.sh")),
		file("/usr/lib/systemd/system/", "0644", "bootkiln-flatpak.service", script("flatpak.service")),
		file("/usr/lib/systemd/system/", "0644", flatpakTimer, script("flatpak.timer")),
		p.preset("10-bootkiln-flatpak.preset", "enable "+flatpakTimer+"\n", systemUnits.presets, at[0]),
		p.run([]Command{{Args: []string{"SYSTEMD_OFFLINE=1", "systemctl", "enable", flatpakTimer}}}),
	)
}
