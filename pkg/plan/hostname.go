package plan

// hostname plans the word "hostname". It is a copy, since builders mount a
// file of their own over /etc/hostname while a command runs.
func (p *planner) hostname() {
	name := p.r.Hostname
	if !name.IsSet() {
		return
	}
	words := []Word{{Value: name.Value, Origin: name.Pos}}
	p.step(KindHostname, "Host name", origins(words), Instruction{Copy: &Copy{
		Sources:     []string{p.place(generated([]byte(name.Value+"\n"), 0o644), "hostname", "hostname")},
		Destination: "/etc/",
		Mode:        "0644",
		Origin:      name.Pos,
	}})
}
