package mailbox

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"lastwatt/drivers"
)

// Throttled is the answer to get_throttled: bits 0 to 3 are what is now, bits 16 to
// 19 what has been (Raspberry Pi documentation, vcgencmd). The kernel's driver
// rpi_volt clears the latter every 2 s, so that they mean "within the last 2 s"
// where it runs, and "since the start" where it does not.
type Throttled uint32

// ThrottleFlags are the names of bits 0 to 3, in their order.
func ThrottleFlags() [4]string {
	return [4]string{"under-voltage", "frequency capped", "throttled", "soft temperature limit"}
}

// Now is whether the flag of that number, 0 to 3, is set.
func (t Throttled) Now(flag int) bool { return t>>flag&1 != 0 }

// Was is whether the flag of that number, 0 to 3, has been set.
func (t Throttled) Was(flag int) bool { return t>>(16+flag)&1 != 0 }

// ParseThrottled reads "throttled=0x50005".
func ParseThrottled(answer string) (Throttled, error) {
	digits, ok := strings.CutPrefix(strings.TrimSpace(answer), "throttled=")
	n, err := strconv.ParseUint(strings.TrimPrefix(digits, "0x"), 16, 32)
	if !ok || err != nil {
		return 0, fmt.Errorf("get_throttled: want throttled=0x and hexadecimal digits (got %.60q)", answer)
	}
	return Throttled(n), nil
}

// ParseTemperature reads "temp=48.3'C".
func ParseTemperature(answer string) (drivers.Celsius, error) {
	digits, ok := strings.CutPrefix(strings.TrimSpace(answer), "temp=")
	n, err := strconv.ParseFloat(strings.TrimSuffix(digits, "'C"), 64)
	if !ok || err != nil || math.IsNaN(n) || n < -60 || n > 150 {
		return 0, fmt.Errorf("measure_temp: want temp=, degrees and 'C (got %.60q)", answer)
	}
	return drivers.Celsius(n), nil
}

// A Rail is one rail of a Pi 5's power chip. EXT5V and BATT have no current.
type Rail struct {
	Name  string
	Volts *drivers.Volt
	Amps  *drivers.Ampere
}

// ParseRails reads the answer to pmic_read_adc: lines such as
// "VDD_CORE_A current(7)=0.94657990A" and "VDD_CORE_V volt(15)=0.72097620V". The
// rails come in the order of their first line; lines of another shape are left
// out, and an answer without any rail is an error.
func ParseRails(answer string) ([]Rail, error) {
	var rails []Rail
	at := map[string]int{}
	for line := range strings.Lines(answer) {
		name, quantity, value, ok := railLine(line)
		if !ok {
			continue
		}
		if _, seen := at[name]; !seen {
			at[name] = len(rails)
			rails = append(rails, Rail{Name: name})
		}
		r := &rails[at[name]]
		if quantity == 'V' {
			r.Volts = new(drivers.Volt(value))
		} else {
			r.Amps = new(drivers.Ampere(value))
		}
	}
	if rails == nil {
		return nil, fmt.Errorf("pmic_read_adc: no rail in the answer %.60q", answer)
	}
	return rails, nil
}

// railLine takes one line of pmic_read_adc apart; quantity is V or A.
func railLine(line string) (name string, quantity byte, value float64, ok bool) {
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return "", 0, 0, false
	}
	what, number, ok := strings.Cut(fields[1], "=")
	kind, _, indexed := strings.Cut(what, "(")
	quantity = map[string]byte{"volt": 'V', "current": 'A'}[kind]
	name, named := strings.CutSuffix(fields[0], "_"+string(quantity))
	digits, unit := strings.CutSuffix(number, string(quantity))
	value, err := strconv.ParseFloat(digits, 64)
	// No rail of a Pi has more than 5.5 V, and none carries more than 20 A.
	if !ok || !indexed || quantity == 0 || !named || name == "" || !unit || err != nil || !(value >= 0 && value <= 30) {
		return "", 0, 0, false
	}
	return name, quantity, value, true
}

// ParseSettings reads the answer to bootloader_config: KEY=value lines in sections.
// A setting in a section that is not always in force ("[gpio4=1]", "[none]") is
// not among what is given, because whether it holds is not known here; uncertain
// names such keys. A key that stands twice has its last value, as for the
// bootloader.
func ParseSettings(answer string) (settings map[string]string, uncertain []string) {
	settings = map[string]string{}
	in := "all"
	for line := range strings.Lines(answer) {
		line = strings.TrimSpace(line)
		if section, ok := strings.CutPrefix(line, "["); ok {
			in = strings.TrimSuffix(section, "]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		switch {
		case !ok || key == "" || strings.HasPrefix(line, "#") || in == "none":
		case in != "all":
			uncertain = append(uncertain, key)
		default:
			settings[key] = strings.TrimSpace(value)
		}
	}
	return settings, uncertain
}
