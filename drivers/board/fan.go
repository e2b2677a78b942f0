package board

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"lastwatt/drivers"
)

// hot is where the firmware begins to slow a Pi down (Raspberry Pi documentation,
// frequency management). A fan whose tachometer stands at 0 while the board is
// this hot stands still; while it is cooler, the tachometer alone is no proof: a
// Pi 5's reads 0 at middle duties with a fan that runs (raspberrypi/linux issue
// 7556, raspberrypi/rpi-eeprom issue 870).
const hot = drivers.Celsius(80)

// boardFans are the fans of the kernel's pwm-fan driver, such as a Pi 5's own. The
// thermal governor owns their pwm1: it is read here, never written.
func boardFans(f files, temperature *drivers.Celsius) []drivers.Fan {
	var all []drivers.Fan
	for _, h := range named(f.hwmons(), "pwmfan") {
		fan := drivers.Fan{Name: h.device}
		if rpm, ok := f.number(h.dir, "fan1_input"); ok {
			fan.RPM = new(rpm)
		}
		if pwm, ok := f.number(h.dir, "pwm1"); ok {
			fan.Duty = new(drivers.Percent(pwm * 100 / 255))
		}
		fan.State = fanState(fan, temperature)
		all = append(all, fan)
	}
	return all
}

func fanState(f drivers.Fan, temperature *drivers.Celsius) drivers.FanState {
	switch {
	case f.RPM != nil && *f.RPM > 0:
		return drivers.FanRunning
	case f.Duty != nil && *f.Duty == 0:
		return drivers.FanOff
	case f.RPM != nil && f.Duty != nil && temperature != nil && *temperature >= hot:
		return drivers.FanStalled
	}
	return drivers.FanUnknown
}

// FanConfig is one entry of fans: a fan on a PWM output that no governor has, such
// as a chassis fan on a pin with dtoverlay=pwm.
type FanConfig struct {
	Name string `yaml:"name"`
	// Device is the PWM chip's device, such as 1f00098000.pwm; the numbers of
	// pwmchips move from kernel to kernel.
	Device string `yaml:"device"`
	// Channel is the chip's output, from 0 on.
	Channel int `yaml:"channel"`
	// Duty is what the fan is driven with while the agent runs, 1 to 100;
	// 0 leaves the output to whoever set it, and only reads it.
	Duty float64 `yaml:"duty"`
	// Inverted is for a transistor between pin and fan: a low pin is full speed.
	Inverted bool `yaml:"inverted"`
}

// fanPeriod is that of the 25 kHz that four-wire fans want (Intel, 4-wire PWM
// controlled fans, section 2.1.3), in nanoseconds.
const fanPeriod = 40000

func (c FanConfig) check() error {
	switch {
	case c.Name == "":
		return errors.New("no name: give it one, such as name: rear")
	case c.Device == "":
		return fmt.Errorf("%q has no device: write the PWM chip's, such as 1f00098000.pwm (ls -l /sys/class/pwm shows them)", c.Name)
	case c.Channel < 0 || c.Channel > 31:
		return fmt.Errorf("%q: channel: want 0 to 31 (got %d)", c.Name, c.Channel)
	case !(c.Duty >= 0 && c.Duty <= 100):
		return fmt.Errorf("%q: duty: want 1 to 100, or 0 to only read it (got %g)", c.Name, c.Duty)
	}
	return nil
}

// output is where the files of the fan's PWM output are, below the root.
func (c FanConfig) output(f files) (string, error) {
	chips := f.pwms()
	i := slices.IndexFunc(chips, func(p chip) bool { return p.device == c.Device })
	if i < 0 {
		return "", fmt.Errorf("fan %q: %w: no PWM chip %s (there are: %s); is dtoverlay=pwm set?", c.Name, drivers.ErrNoDevice, c.Device, listed(chips))
	}
	return filepath.Join(chips[i].dir, "pwm"+strconv.Itoa(c.Channel)), nil
}

// read reads the fan's duty: such a fan tells no more.
func (c FanConfig) read(f files) (drivers.Fan, error) {
	dir, err := c.output(f)
	if err != nil {
		return drivers.Fan{}, err
	}
	on, enabled := f.number(dir, "enable")
	high, known := f.number(dir, "duty_cycle")
	period, periodKnown := f.number(dir, "period")
	if !enabled || !known || !periodKnown || period <= 0 {
		return drivers.Fan{}, fmt.Errorf("fan %q: output %d of %s is not in use: set duty: to drive it", c.Name, c.Channel, c.Device)
	}
	duty := high / period * 100 * on
	if c.Inverted {
		duty = 100 - duty
	}
	fan := drivers.Fan{Name: c.Name, Duty: new(drivers.Percent(math.Round(duty)))}
	fan.State = fanState(fan, nil)
	return fan, nil
}

// drive sets the output to a duty and reads it back.
func (c FanConfig) drive(f files, duty float64) error {
	dir, err := c.output(f)
	if err != nil {
		return err
	}
	if !f.has(dir) {
		if err := write(f, filepath.Join(filepath.Dir(dir), "export"), strconv.Itoa(c.Channel)); err != nil {
			return fmt.Errorf("fan %q: %w", c.Name, err)
		}
	}
	high := int(math.Round(duty / 100 * fanPeriod))
	if c.Inverted {
		high = fanPeriod - high
	}
	// The kernel refuses a period below the duty cycle that is set.
	steps := [][2]string{{"duty_cycle", "0"}, {"period", strconv.Itoa(fanPeriod)}, {"duty_cycle", strconv.Itoa(high)}, {"enable", "1"}}
	if period, ok := f.number(dir, "period"); ok && period == fanPeriod {
		steps = steps[2:] // not through standstill
	}
	for _, s := range steps {
		if err := write(f, filepath.Join(dir, s[0]), s[1]); err != nil {
			return fmt.Errorf("fan %q: %w", c.Name, err)
		}
	}
	if got, ok := f.number(dir, "duty_cycle"); !ok || int(got) != high {
		return fmt.Errorf("fan %q: %d ns of %d were written, and %v read back", c.Name, high, fanPeriod, got)
	}
	return nil
}

// write writes a file of sysfs, which takes one write and makes no files.
func write(f files, path, text string) error {
	file, err := os.OpenFile(filepath.Join(f.root, path), os.O_WRONLY|os.O_TRUNC, 0)
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: %w; it needs root, or the group gpio on Raspberry Pi OS", drivers.ErrPermission, err)
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}
