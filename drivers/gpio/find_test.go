package gpio

import (
	"errors"
	"testing"

	"lastwatt/drivers"
)

// startsWith is what the driver says when it is to open the lines of a section.
func startsWith(t *testing.T, section string, chips ...*fakeChip) error {
	t.Helper()
	k := newFake(chips...)
	s, err := newSession(k, configured(t, section), testOptions())
	if err == nil {
		err = s.close()
	}
	for _, c := range chips {
		if n := c.left(); n != 0 {
			t.Errorf("%d of %s are left open", n, c.label)
		}
	}
	return err
}

// named is a chip whose lines have these names.
func named(label string, names ...string) *fakeChip {
	c := newPi(label)
	c.names = names
	return c
}

func TestLinesAreFoundByNameOrByLabelAndOffset(t *testing.T) {
	closed := newPi("pinctrl-bcm2711")
	closed.refuse = errPermission("/dev/gpiochip0")
	old := newPi("pinctrl-bcm2711")
	old.refuse = errOldKernel
	used := newPi("pinctrl-rp1")
	used.users[17] = "dht11@11"
	for _, tt := range []struct {
		name, section string
		chips         []*fakeChip
		err           string // empty is that it opens
		is            error
	}{
		{"the board's own chip, wherever it is", `fans: [{name: top, line: GPIO17}]`, []*fakeChip{newPi("raspberrypi-exp-gpio"), newPi("pinctrl-rp1")}, "", nil},
		{"a chip by its label", `{chip: mcp23017, fans: [{name: top, line: GPIO17}]}`, []*fakeChip{newPi("pinctrl-rp1"), newPi("mcp23017")}, "", nil},
		{"a chip by its path", `{chip: /dev/gpiochip1, fans: [{name: top, line: GPIO17}]}`, []*fakeChip{newPi("x"), newPi("x")}, "", nil},
		{"a line of another chip", `fans: [{name: top, line: "mcp23017:3"}, {name: side, line: GPIO4}]`, []*fakeChip{newPi("pinctrl-rp1"), newPi("mcp23017")}, "", nil},
		{"GPIO3 where the kernel calls it SCL1", `fans: [{name: top, line: GPIO3}]`, []*fakeChip{named("pinctrl-bcm2711", "ID_SDA", "ID_SCL", "SDA1", "SCL1", "GPIO_GCLK")}, "", nil},
		{"no such name", `fans: [{name: top, line: GPIO71}]`, []*fakeChip{newPi("pinctrl-rp1")},
			`fans[0] "top": no line "GPIO71" on pinctrl-rp1 (/dev/gpiochip0): did you mean GPIO1, GPIO7, GPIO11, GPIO21?`, nil},
		{"no names at all", `fans: [{name: top, line: GPIO30}]`, []*fakeChip{named("pinctrl-rp1", "", "")},
			`fans[0] "top": no line "GPIO30" on pinctrl-rp1 (/dev/gpiochip0): its lines have no names: write LABEL:OFFSET`, nil},
		{"no such offset", `rails: [{name: 5v, line: "pinctrl-rp1:54"}]`, []*fakeChip{newPi("pinctrl-rp1")},
			`rails[0] "5v": no line 54 on pinctrl-rp1, which has 0 to 53`, nil},
		{"no such label", `{chip: pinctrl-bcm2711, mains: {line: GPIO17}}`, []*fakeChip{newPi("pinctrl-rp1")},
			`mains: no such device: no chip is labelled "pinctrl-bcm2711": have pinctrl-rp1 (/dev/gpiochip0)`, drivers.ErrNoDevice},
		{"no Pi", `mains: {line: GPIO17}`, []*fakeChip{newPi("INT34C6:00")},
			`mains: no such device: no chip here is a Raspberry Pi's header: write chip: with one of INT34C6:00 (/dev/gpiochip0)`, drivers.ErrNoDevice},
		{"no chip", `mains: {line: GPIO17}`, nil, `mains: no such device: this machine has no GPIO chip (/dev/gpiochip*)`, drivers.ErrNoDevice},
		{"two chips of one label", `{chip: mcp23017, mains: {line: GPIO1}}`, []*fakeChip{newPi("mcp23017"), newPi("mcp23017")},
			`mains: chip: 2 chips fit: write the path of one of mcp23017 (/dev/gpiochip0), mcp23017 (/dev/gpiochip1)`, nil},
		{"two users of one line, by two names", `fans: [{name: top, line: GPIO17}, {name: side, line: "pinctrl-rp1:17"}]`, []*fakeChip{newPi("pinctrl-rp1")},
			`fans[1] "side": line pinctrl-rp1:17 is also that of fans[0] "top": a line has one user`, nil},
		{"a line that the kernel uses", `fans: [{name: top, line: GPIO17}]`, []*fakeChip{used},
			`fans[0] "top": line GPIO17 of pinctrl-rp1 is used by "dht11@11": stop what uses it (a dtoverlay in config.txt too), or take another line`, nil},
		{"no permission", `fans: [{name: top, line: GPIO17}]`, []*fakeChip{closed},
			`fans[0] "top": no permission for /dev/gpiochip0: add the user that lastwatt runs as to the file's group (on Raspberry Pi OS: usermod -aG gpio lastwatt) and start it again; docs/gpio.md has a udev rule for other systems`, drivers.ErrPermission},
		{"a kernel without version 2", `fans: [{name: top, line: GPIO17}]`, []*fakeChip{old},
			`fans[0] "top": the kernel lacks version 2 of the GPIO interface: Linux 5.10 or newer is needed, built with CONFIG_GPIO_CDEV`, errOldKernel},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := startsWith(t, tt.section, tt.chips...)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.err || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got  %s\nwant %s", got, tt.err)
			}
		})
	}
}

func TestAMistakeMovesNoRelay(t *testing.T) {
	pi := newPi("pinctrl-rp1")
	if err := startsWith(t, `{outputs: [{name: r, line: GPIO5, safe: "on"}], fans: [{name: top, line: nowhere}]}`, pi); err == nil {
		t.Error("a line that is not there was found")
	}
	if got := pi.log(); got != "" {
		t.Errorf("done: %s", got)
	}
}
