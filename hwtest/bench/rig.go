// Package bench confirms on a real rack what was only tested on recordings and on
// trees of files: README.md has the steps.
package bench

import (
	"fmt"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers/board"
)

// A Rig is what the owner of a rack knows of one node by other means: from its box,
// from a multimeter, from other programs. A section that is left out is hardware
// that the node does not have; its steps then confirm nothing, and say so.
type Rig struct {
	// Model begins what the device tree calls the board.
	Model string `yaml:"model"`
	// Firmware is whether it has a Raspberry Pi's.
	Firmware bool `yaml:"firmware"`
	// Celsius is what "vcgencmd measure_temp" says.
	Celsius *Figure `yaml:"celsius"`
	// InputVolts is what a multimeter shows between pins 2 and 6 of the header.
	InputVolts *Figure `yaml:"input_volts"`
	// Watts is what a meter at the node's plug shows.
	Watts *Figure `yaml:"watts"`
	// Method is how the node is to know its draw.
	Method string `yaml:"method"`
	// Start are the settings that rpi-eeprom-config shows, or the defaults.
	Start *Start `yaml:"start"`
	// Reset is part of why the board started last.
	Reset string `yaml:"reset"`
	Fan   *Fan   `yaml:"fan"`
	Drive *Drive `yaml:"drive"`
	// Clock is the kernel's name of the clock that starts the node.
	Clock string `yaml:"clock"`
	// Board is the section of the driver in the agent's configuration, and
	// Rails what a multimeter shows of its rails, by name.
	Board board.Config      `yaml:"board"`
	Rails map[string]Figure `yaml:"rails"`
	// Doctor lists the codes of what "lastwatt doctor" is known to find here.
	Doctor *[]string `yaml:"doctor"`
	// Seen is what was seen in the steps that hands do, by step.
	Seen map[string]string `yaml:"seen"`
}

// A Figure is what something else measured, and how far ours may be from it.
type Figure struct {
	Is     float64 `yaml:"is"`
	Within float64 `yaml:"within"`
}

func (f Figure) check(what string, got float64) error {
	if diff := got - f.Is; diff > f.Within || diff < -f.Within {
		return fmt.Errorf("%s: we read %.3f, and the rig says %g, give or take %g", what, got, f.Is, f.Within)
	}
	return nil
}

// Start are EEPROM settings; one that is left out has no meaning on the board.
type Start struct {
	PowerOffOnHalt     *bool `yaml:"power_off_on_halt"`
	WakeOnGPIO         *bool `yaml:"wake_on_gpio"`
	WaitForPowerButton *bool `yaml:"wait_for_power_button"`
}

// Fan is the board's own fan.
type Fan struct {
	Name string `yaml:"name"`
	// Turns is whether it is seen to turn now.
	Turns bool `yaml:"turns"`
}

// Drive is what "nvme smart-log" says of a drive.
type Drive struct {
	Name    string  `yaml:"name"`
	Celsius Figure  `yaml:"celsius"`
	Used    float64 `yaml:"used"` // percentage_used
}

// ParseRig reads a rig's file.
func ParseRig(data []byte) (Rig, error) {
	var r Rig
	if err := yaml.Load(data, &r, yaml.WithKnownFields()); err != nil {
		return Rig{}, fmt.Errorf("the rig's file: %w", err)
	}
	if r.Model == "" {
		return Rig{}, fmt.Errorf("the rig's file: no model: write what the board's box says, such as Raspberry Pi 5")
	}
	for name := range r.Seen {
		if _, ok := find(name); !ok {
			return Rig{}, fmt.Errorf("the rig's file: seen: there is no step %q", name)
		}
	}
	return r, nil
}
