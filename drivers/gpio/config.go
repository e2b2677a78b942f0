package gpio

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// config is the driver's part of the configuration.
type config struct {
	// Chip is the label of the chip that has the lines (pinctrl-rp1), or the
	// path of its file; empty is the board's own.
	Chip string `yaml:"chip"`
	// Poll is how often everything is told, inputs are read again, and the
	// chip is looked after.
	Poll    time.Duration  `yaml:"poll"`
	Fans    []fanConfig    `yaml:"fans"`
	Rails   []inputConfig  `yaml:"rails"`
	Mains   *inputConfig   `yaml:"mains"`
	Outputs []outputConfig `yaml:"outputs"`
}

// A fanConfig is one entry of fans: a tachometer's wire.
type fanConfig struct {
	Name   string        `yaml:"name"`
	Line   string        `yaml:"line"`
	Pulses int           `yaml:"pulses"`  // in a revolution; 0 is 2
	MinRPM float64       `yaml:"min_rpm"` // slower is stalled; 0 is 300
	MaxRPM float64       `yaml:"max_rpm"` // faster is noise; 0 is 3000
	SpinUp time.Duration `yaml:"spin_up"` // 0 is 5 s
	Bias   string        `yaml:"bias"`    // empty is pull-up
	// Power is the output that is on while the fan has power; empty is
	// always.
	Power string `yaml:"power"`
}

// An inputConfig is one entry of rails, a power-good or "present" signal, or the
// section mains, a signal that is active with mains.
type inputConfig struct {
	Name      string        `yaml:"name"` // of mains: empty is mains
	Line      string        `yaml:"line"`
	ActiveLow bool          `yaml:"active_low"`
	Bias      string        `yaml:"bias"`     // empty leaves it as it is
	Debounce  time.Duration `yaml:"debounce"` // 0 is 20 ms
}

// An outputConfig is one entry of outputs.
type outputConfig struct {
	Name      string `yaml:"name"`
	Line      string `yaml:"line"`
	ActiveLow bool   `yaml:"active_low"`
	OpenDrain bool   `yaml:"open_drain"`
	// Safe is what the output is while nobody says otherwise and when the
	// driver stops: on or off.
	Safe string `yaml:"safe"`
}

const (
	defaultPoll     = time.Second
	defaultDebounce = 20 * time.Millisecond
	defaultSpinUp   = 5 * time.Second
	// Fans have 1, 2 or 4 pulses in a revolution; a server's blower is the
	// fastest there is.
	maxPulses = 8
	maxRPM    = 40000
	maxPulse  = time.Minute
)

// complete fills the defaults in and says what is wrong.
func (c *config) complete() error {
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if err := within("poll", c.Poll, 100*time.Millisecond, 10*time.Second); err != nil {
		return err
	}
	if len(c.Fans)+len(c.Rails)+len(c.Outputs) == 0 && c.Mains == nil {
		return fmt.Errorf("nothing to do: list fans, rails, outputs, or mains")
	}
	var n names
	for i := range c.Outputs {
		o := &c.Outputs[i]
		if err := n.take("outputs", i, o.Name, o.Line, o.check()); err != nil {
			return err
		}
	}
	for i := range c.Fans {
		f := &c.Fans[i]
		if err := n.take("fans", i, f.Name, f.Line, f.complete(c.Outputs)); err != nil {
			return err
		}
	}
	for i := range c.Rails {
		r := &c.Rails[i]
		if err := n.take("rails", i, r.Name, r.Line, r.complete()); err != nil {
			return err
		}
	}
	if c.Mains == nil {
		return nil
	}
	if c.Mains.Name == "" {
		c.Mains.Name = "mains"
	}
	if err := c.Mains.complete(); err != nil {
		return fmt.Errorf("mains: %w", err)
	}
	return n.line("mains", c.Mains.Line)
}

// names are the names and lines that are taken, and by whom.
type names struct{ names, lines []string }

// take notes an entry of a list, or says what is wrong with it; err is what is
// known to be.
func (n *names) take(list string, i int, name, line string, err error) error {
	where := fmt.Sprintf("%s[%d]", list, i)
	if name == "" {
		return fmt.Errorf("%s: no name: give it one", where)
	}
	where = fmt.Sprintf("%s %q", where, name)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	key := list + "/" + name
	if slices.Contains(n.names, key) {
		return fmt.Errorf("%s: there are two of this name", where)
	}
	n.names = append(n.names, key)
	return n.line(where, line)
}

func (n *names) line(where, line string) error {
	if strings.TrimSpace(line) == "" {
		return fmt.Errorf("%s: no line: write its name, such as GPIO17, or LABEL:OFFSET", where)
	}
	if slices.Contains(n.lines, line) {
		return fmt.Errorf("%s: line %s is used twice", where, line)
	}
	n.lines = append(n.lines, line)
	return nil
}

func (f *fanConfig) complete(outputs []outputConfig) error {
	if f.Pulses == 0 {
		f.Pulses = 2
	}
	if f.MinRPM == 0 {
		f.MinRPM = 300
	}
	if f.MaxRPM == 0 {
		f.MaxRPM = 3000
	}
	if f.SpinUp == 0 {
		f.SpinUp = defaultSpinUp
	}
	if f.Bias == "" {
		f.Bias = string(pullUp)
	}
	switch {
	case f.Pulses < 1 || f.Pulses > maxPulses:
		return fmt.Errorf("pulses: want 1 to %d in a revolution, mostly 2 (got %d)", maxPulses, f.Pulses)
	case !(f.MinRPM >= 1 && f.MinRPM < f.MaxRPM && f.MaxRPM <= maxRPM):
		return fmt.Errorf("want min_rpm below max_rpm, both 1 to %d (got %g and %g)", maxRPM, f.MinRPM, f.MaxRPM)
	case f.Power != "" && !slices.ContainsFunc(outputs, func(o outputConfig) bool { return o.Name == f.Power }):
		return fmt.Errorf("power: no output is called %q", f.Power)
	}
	if err := within("spin_up", f.SpinUp, time.Millisecond, 5*time.Minute); err != nil {
		return err
	}
	return checkBias(f.Bias)
}

func (i *inputConfig) complete() error {
	if i.Debounce == 0 {
		i.Debounce = defaultDebounce
	}
	if err := within("debounce", i.Debounce, time.Millisecond, 10*time.Second); err != nil {
		return err
	}
	return checkBias(i.Bias)
}

func (o *outputConfig) check() error {
	if o.Safe != "on" && o.Safe != "off" {
		return fmt.Errorf("safe: want on or off, what it is when nothing drives it (got %q)", o.Safe)
	}
	return nil
}

func (o *outputConfig) safeOn() bool { return o.Safe == "on" }

func checkBias(s string) error {
	if s == "" || slices.Contains(biases(), bias(s)) {
		return nil
	}
	return fmt.Errorf("bias: want one of %q, or leave it out (got %q)", biases(), s)
}

func within(key string, d, from, to time.Duration) error {
	if d < from || d > to {
		return fmt.Errorf("%s: want %v to %v (got %v)", key, from, to, d)
	}
	return nil
}
