package recipe

import (
	"time"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// The rows of how the finished image is booted.

var bootRecord = record[Boot]{
	pos:  func(b *Boot) *diag.Pos { return &b.Pos },
	bare: "mode",
	words: []word[Boot]{
		{
			key: "mode",
			doc: "The way in: direct has the root file system on the disk as it is, ostree deploys it as bootc does, install lets the image's own " +
				"bootc write the disk, with all privileges on this machine. auto takes ostree where that is possible, else direct. off does not boot it, " +
				"and then nobody has seen it boot. Without it, auto.",
			examples: []string{"ostree", "off"},
			value:    text(bootModeRule, func(b *Boot) *String { return &b.Mode }),
		},
		{
			key:      "target",
			doc:      "The unit to reach. Without it, the default target of the image.",
			examples: []string{"graphical.target"},
			value:    text(targetUnitRule, func(b *Boot) *String { return &b.Target }),
		},
		{
			key:      "timeout",
			doc:      "The longest that it may take to reach the target. Without it, what is enough for most: longer where the machine is emulated.",
			examples: []string{"5m"},
			value:    duration(func(b *Boot) (*time.Duration, *diag.Pos) { return &b.Timeout, &b.TimeoutPos }),
		},
		{
			key:      "memory",
			doc:      "The memory that the machine has. Without it, 2GiB.",
			examples: []string{"4GiB"},
			value:    size(sizeRule, func(b *Boot) (*int64, *diag.Pos) { return &b.Memory, &b.MemoryPos }),
		},
		{
			key:      "expect",
			doc:      "What has to be so once the target is reached. The machine has no network.",
			examples: []string{"{active: [sddm.service], listening: [22/tcp], within: 60s}"},
			value:    section(bootExpectRecord, func(b *Boot) *BootExpect { return &b.Expect }),
		},
	},
}

var bootExpectRecord = record[BootExpect]{words: []word[BootExpect]{
	{
		key:      "active",
		doc:      "Units that have to be active.",
		examples: []string{"[sddm.service, sshd.socket]"},
		value:    texts(unitRule, func(e *BootExpect) *[]String { return &e.Active }),
	},
	{
		key: "failed",
		doc: "Units that may fail, globs allowed. Any other that fails is a failed boot, but for the few that need a network or hardware which " +
			"no virtual machine has.",
		examples: []string{"[kdump.service, \"vendor-*.service\"]"},
		value:    texts(unitGlobRule, func(e *BootExpect) *[]String { return &e.Failed }),
	},
	{
		key:      "commands",
		doc:      "Commands that are run in the booted system by a shell as root, for a minute at most each.",
		examples: []string{"[\"id kiosk\", {run: getenforce, equals: Enforcing}]"},
		value:    entries(bootCommandRecord, func(e *BootExpect) *[]BootCommand { return &e.Commands }),
	},
	{
		key:      "listening",
		doc:      "Ports that have to be listened on, on any address.",
		examples: []string{"[22/tcp, 53/udp]"},
		value:    texts(portRule, func(e *BootExpect) *[]String { return &e.Listening }),
	},
	{
		key:      "within",
		doc:      "The longest that it may take from the start of the kernel until the target is reached. An emulated machine is many times slower than a real one.",
		examples: []string{"60s"},
		value:    duration(func(e *BootExpect) (*time.Duration, *diag.Pos) { return &e.Within, &e.WithinPos }),
	},
}}

var bootCommandRecord = record[BootCommand]{
	bare: "run",
	words: []word[BootCommand]{
		{
			key: "run", required: true,
			doc:      "The command.",
			examples: []string{"getenforce"},
			value:    text(bootCommandRule, func(c *BootCommand) *String { return &c.Run }),
		},
		{
			key:      "status",
			doc:      "The exit status that it has to end with. Without it, 0.",
			examples: []string{"1"},
			value:    count(exitStatusRule, func(c *BootCommand) *int { return &c.Status }),
		},
		{
			key:      "contains",
			doc:      "A text that has to be in its output, of which errors are a part.",
			examples: []string{"Enforcing"},
			value:    text(contentRule, func(c *BootCommand) *String { return &c.Contains }),
		},
		{
			key:      "equals",
			doc:      "All that it has to put out; blanks and line breaks at the end do not count.",
			examples: []string{"Enforcing"},
			value:    text(contentRule, func(c *BootCommand) *String { return &c.Equals }),
		},
		{
			key:      "matches",
			doc:      "A regular expression, as RE2 has them, that some of its output has to match.",
			examples: []string{"\"^kiln-[0-9]+$\""},
			value:    text(regexpRule, func(c *BootCommand) *String { return &c.Matches }),
		},
	},
}
