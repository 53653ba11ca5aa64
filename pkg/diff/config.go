package diff

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// configChanges compares what the configurations tell who runs the image, and
// not when and how it was made.
func configChanges(before, after *side) []ConfigChange {
	if before.folder || after.folder {
		return nil
	}
	a, b := settings(before.config), settings(after.config)
	keys := map[string]bool{}
	for key := range a {
		keys[key] = true
	}
	for key := range b {
		keys[key] = true
	}
	var list []ConfigChange
	for key := range keys {
		x, inOld := a[key]
		y, inNew := b[key]
		if inOld && inNew && x == y {
			continue
		}
		c := ConfigChange{Key: key}
		if inOld {
			c.Old = &x
		}
		if inNew {
			c.New = &y
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b ConfigChange) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

func settings(c *imgspecv1.Image) map[string]string {
	out := map[string]string{}
	set := func(key, value string) {
		if value != "" {
			out[key] = value
		}
	}
	set("os", c.OS)
	set("architecture", c.Architecture)
	set("variant", c.Variant)
	set("user", c.Config.User)
	set("workingDir", c.Config.WorkingDir)
	set("stopSignal", c.Config.StopSignal)
	set("entrypoint", words(c.Config.Entrypoint))
	set("cmd", words(c.Config.Cmd))
	for _, e := range c.Config.Env {
		name, value, _ := strings.Cut(e, "=")
		out["env "+name] = value
	}
	for name, value := range c.Config.Labels {
		out["label "+name] = value
	}
	for name := range c.Config.Volumes {
		out["volume "+name] = ""
	}
	for name := range c.Config.ExposedPorts {
		out["port "+name] = ""
	}
	return out
}

// words writes a command as configurations have it.
func words(command []string) string {
	if len(command) == 0 {
		return ""
	}
	b, err := json.Marshal(command)
	if err != nil {
		panic(err) // strings can be encoded
	}
	return string(b)
}
