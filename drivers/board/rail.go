package board

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lastwatt/drivers"
)

// RailConfig is one entry of rails: a voltage, and often a current, that a chip of
// hwmon (INA219, INA226, INA3221) or IIO (ADS1115) measures.
type RailConfig struct {
	Name string `yaml:"name"`
	// Device is what the chip's driver calls it, such as ina219, ina3221,
	// ads1115; At is its place, an I2C bus and address such as 1-0040, needed
	// where there are several.
	Device string `yaml:"device"`
	At     string `yaml:"at"`
	// Channel is the chip's number of the input: an INA3221 has 1 to 3, an
	// ADS1115 0 to 3; an INA219 or 226 has one, and needs none.
	Channel *int `yaml:"channel"`
	// Times is the divider before the input: the volts that the chip sees are
	// multiplied. 0 is 1.
	Times float64 `yaml:"times"`
	// Whole is whether all of the node's current flows through it.
	Whole bool `yaml:"whole"`
	// The limits in volts; 0 is none.
	LowWarning   float64 `yaml:"low_warning"`
	LowCritical  float64 `yaml:"low_critical"`
	HighWarning  float64 `yaml:"high_warning"`
	HighCritical float64 `yaml:"high_critical"`
}

func (c RailConfig) check() error {
	limits := []float64{c.LowCritical, c.LowWarning, c.HighWarning, c.HighCritical}
	set := slices.DeleteFunc(slices.Clone(limits), func(v float64) bool { return v == 0 })
	switch {
	case c.Name == "":
		return fmt.Errorf("no name: give it one, such as name: 12V")
	case c.Device == "":
		return fmt.Errorf("%q has no device: write what its chip is called, such as ina219, ina3221, ads1115", c.Name)
	case !(c.Times >= 0 && c.Times <= 1000):
		return fmt.Errorf("%q: times: want the factor of the divider, such as 4.03 (got %g)", c.Name, c.Times)
	case c.Channel != nil && (*c.Channel < 0 || *c.Channel > 31):
		return fmt.Errorf("%q: channel: want the chip's number of the input, 0 to 31 (got %d)", c.Name, *c.Channel)
	case c.Channel != nil && strings.HasPrefix(c.Device, "ina") && (*c.Channel < 1 || *c.Channel > inputsOf(c.Device)):
		return fmt.Errorf("%q: channel: want one of the %d that %s numbers from 1; what comes after are its shunts (got %d)", c.Name, inputsOf(c.Device), c.Device, *c.Channel)
	case !slices.IsSorted(set) || slices.ContainsFunc(set, func(v float64) bool { return !(v > 0) }):
		return fmt.Errorf("%q: want low_critical <= low_warning <= high_warning <= high_critical (got %v)", c.Name, limits)
	}
	return nil
}

// inputsOf is how many voltages an INA measures; what hwmon numbers beside them are
// voltages of shunts, in millivolts.
func inputsOf(device string) int {
	if device == "ina3221" {
		return 3
	}
	return 1
}

// level judges volts; a level is left only when the volts are back by slack, so
// that a rail at its limit tells once.
func (c RailConfig) level(v drivers.Volt, before drivers.Level) drivers.Level {
	const slack = 0.02
	beyond := func(low, high float64, slack float64) bool {
		return low > 0 && float64(v) < low+slack || high > 0 && float64(v) > high-slack
	}
	held := func(at ...drivers.Level) float64 {
		if slices.Contains(at, before) {
			return slack
		}
		return 0
	}
	switch {
	case c.LowWarning+c.LowCritical+c.HighWarning+c.HighCritical == 0:
		return ""
	case beyond(c.LowCritical, c.HighCritical, held(drivers.Critical)):
		return drivers.Critical
	case beyond(c.LowWarning, c.HighWarning, held(drivers.Critical, drivers.Warning)):
		return drivers.Warning
	}
	return drivers.OK
}

// read reads a configured rail.
func (c RailConfig) read(f files) (drivers.Rail, error) {
	if chips := c.chips(f.hwmons()); len(chips) > 0 {
		return c.hwmon(f, chips)
	}
	chips := c.chips(f.iios())
	if len(chips) == 0 {
		return drivers.Rail{}, fmt.Errorf("rail %q: %w: no chip %s%s among hwmon (%s) and IIO (%s); is its overlay loaded?",
			c.Name, drivers.ErrNoDevice, c.Device, place(c.At), listed(f.hwmons()), listed(f.iios()))
	}
	return c.iio(f, chips)
}

func place(at string) string {
	if at == "" {
		return ""
	}
	return " at " + at
}

func listed(chips []chip) string {
	if len(chips) == 0 {
		return "none"
	}
	text := ""
	for i, c := range chips {
		if i > 0 {
			text += ", "
		}
		text += c.name + " at " + c.device
	}
	return text
}

func (c RailConfig) chips(all []chip) []chip {
	return slices.DeleteFunc(slices.Clone(all), func(h chip) bool {
		// The kernel's driver of both calls an ADS1115 ads1015.
		fits := h.name == c.Device || c.Device == "ads1115" && h.name == "ads1015"
		return !fits || c.At != "" && h.device != c.At
	})
}

func (c RailConfig) one(chips []chip) (chip, error) {
	if len(chips) > 1 {
		return chip{}, fmt.Errorf("rail %q: there are %d chips %s: say which with at: (%s)", c.Name, len(chips), c.Device, listed(chips))
	}
	return chips[0], nil
}

// hwmon reads a chip of the ina2xx or ina3221 driver (kernel documentation, hwmon):
// millivolts, milliamperes, microwatts. An INA219's or 226's in0 is its shunt.
func (c RailConfig) hwmon(f files, chips []chip) (drivers.Rail, error) {
	h, err := c.one(chips)
	if err != nil {
		return drivers.Rail{}, err
	}
	n := strconv.Itoa(c.channel(1))
	millivolts, ok := f.number(h.dir, "in"+n+"_input")
	if !ok {
		return drivers.Rail{}, fmt.Errorf("rail %q: %s at %s gives no in%s_input: has it such a channel?", c.Name, h.name, h.device, n)
	}
	r := drivers.Rail{Name: c.Name, Volts: new(drivers.Volt(millivolts / 1000 * c.times()))}
	if milliamps, ok := f.number(h.dir, "curr"+n+"_input"); ok {
		r.Amps = new(drivers.Ampere(milliamps / 1000))
		r.Watts = new(drivers.Watt(float64(*r.Volts) * milliamps / 1000))
	}
	return r, nil
}

// iio reads a channel of an ADC: counts times millivolts. An INA that the driver
// ina2xx-adc has gives volts on channel 1, amperes on channel 3.
func (c RailConfig) iio(f files, chips []chip) (drivers.Rail, error) {
	h, err := c.one(chips)
	if err != nil {
		return drivers.Rail{}, err
	}
	of := func(kind string, n int) (float64, bool) {
		base := "in_" + kind + strconv.Itoa(n)
		raw, ok := f.number(h.dir, base+"_raw")
		scale, scaled := f.number(h.dir, base+"_scale")
		if !scaled {
			scale, scaled = f.number(h.dir, "in_"+kind+"_scale")
		}
		return raw * scale, ok && scaled
	}
	standard := 0
	if _, ok := of("current", 3); ok {
		standard = 1
	}
	n := c.channel(standard)
	millivolts, ok := of("voltage", n)
	if !ok {
		return drivers.Rail{}, fmt.Errorf("rail %q: %s at %s gives no in_voltage%d_raw with a scale: is the channel on in its overlay?", c.Name, h.name, h.device, n)
	}
	r := drivers.Rail{Name: c.Name, Volts: new(drivers.Volt(millivolts / 1000 * c.times()))}
	if milliamps, ok := of("current", 3); ok && n == 1 {
		r.Amps = new(drivers.Ampere(milliamps / 1000))
		r.Watts = new(drivers.Watt(float64(*r.Volts) * milliamps / 1000))
	}
	return r, nil
}

func (c RailConfig) times() float64 {
	if c.Times == 0 {
		return 1
	}
	return c.Times
}

func (c RailConfig) channel(standard int) int {
	if c.Channel == nil {
		return standard
	}
	return *c.Channel
}
