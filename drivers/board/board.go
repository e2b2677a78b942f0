// Package board is the driver of the board that the program runs on: a Raspberry
// Pi's firmware and power chip, its temperatures, fans, rails, drives and clock,
// as far as the board has them.
package board

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"lastwatt/clock"
	"lastwatt/drivers"
	"lastwatt/drivers/board/mailbox"
)

const (
	// sampleEvery is how often the firmware is asked: the kernel's rpi_volt
	// clears what has been every 2 s.
	sampleEvery = 2 * time.Second
	defaultPoll = 10 * time.Second
	minPoll     = sampleEvery
	maxPoll     = time.Minute
	// drivesEvery and wearEvery are how often the drives are asked: each time
	// may wake one from its sleep.
	drivesEvery = time.Minute
	wearEvery   = 10 * time.Minute
)

// Config is the driver's part of the configuration.
type Config struct {
	// Poll is how often a reading is reported; 0 is 10 s.
	Poll time.Duration `yaml:"poll"`
	// ExtraWatts is what hangs on 5 V beside a Pi 5's power chip, such as an
	// NVMe drive; it is added to the estimate.
	ExtraWatts float64      `yaml:"extra_watts"`
	Rails      []RailConfig `yaml:"rails"`
	Fans       []FanConfig  `yaml:"fans"`
}

// Options is what a board's driver is made with; the zero value of each field but
// Clock has a meaning.
type Options struct {
	Config
	// Root is where the system's files are; empty is "/".
	Root  string
	Clock clock.Clock
	// Log is silent where nil.
	Log *slog.Logger
	// Mailbox and Drives are the machine's own where nil.
	Mailbox mailbox.Asker
	Drives  Drives
}

// Kind describes the driver.
func Kind() drivers.Kind {
	return drivers.Kind{Name: "board", Sensor: true, New: func(decode func(any) error, o drivers.Options) (drivers.Driver, error) {
		var c Config
		if err := decode(&c); err != nil {
			return nil, err
		}
		if err := c.check(); err != nil {
			return nil, err
		}
		return New(Options{Config: c, Root: o.Root, Log: o.Log, Clock: clock.Clock{Now: o.Now, After: o.After}}), nil
	}}
}

func (c Config) check() error {
	if c.Poll != 0 && (c.Poll < minPoll || c.Poll > maxPoll) {
		return fmt.Errorf("poll: want %v to %v (got %v)", minPoll, maxPoll, c.Poll)
	}
	if !(c.ExtraWatts >= 0 && c.ExtraWatts <= 100) {
		return fmt.Errorf("extra_watts: want 0 to 100 (got %g)", c.ExtraWatts)
	}
	seen, whole := map[string]bool{}, 0
	for i, r := range c.Rails {
		if err := r.check(); err != nil {
			return fmt.Errorf("rails[%d]: %w", i, err)
		}
		if seen[r.Name] {
			return fmt.Errorf("rails[%d]: there are two rails called %q", i, r.Name)
		}
		seen[r.Name] = true
		if r.Whole {
			whole++
		}
	}
	if whole > 1 {
		return fmt.Errorf("rails: %d are marked whole: all of a node's current flows through one", whole)
	}
	for i, f := range c.Fans {
		if err := f.check(); err != nil {
			return fmt.Errorf("fans[%d]: %w", i, err)
		}
	}
	return nil
}

// Board implements [drivers.Driver]: [drivers.Node], and a [drivers.Rail] and a
// [drivers.Fan] for each rail and fan.
type Board struct {
	config   Config
	files    files
	clock    clock.Clock
	log      *slog.Logger
	firmware mailbox.Asker
	smart    Drives

	// What follows is of whoever calls Run.
	model    string
	start    *drivers.Start
	reset    string
	counters flagCounters
	flags    []string // nil where the firmware does not say
	under    *bool
	pmic     pmic
	noPMIC   bool // the firmware has no pmic_read_adc
	drives   drives
	levels   map[string]drivers.Level
	said     map[string]string // by subject: the last trouble that was logged
}

// New makes the driver of the board that o describes. Nothing is opened yet.
func New(o Options) *Board {
	b := &Board{config: o.Config, files: files{root: o.Root, seen: map[string][]chip{}}, clock: o.Clock, log: o.Log, firmware: o.Mailbox, smart: o.Drives,
		levels: map[string]drivers.Level{}, said: map[string]string{}}
	if o.Root == "" {
		b.files.root = "/"
	}
	if b.config.Poll == 0 {
		b.config.Poll = defaultPoll
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.firmware == nil {
		b.firmware = mailbox.Device{Root: b.files.root}
	}
	if b.smart == nil {
		b.smart = nvmeDevice{b.files.root}
	}
	return b
}

// Model is what the device tree calls the board; empty where there is none. It may
// be called from any goroutine.
func (b *Board) Model() string {
	model, _ := b.files.text("proc/device-tree/model")
	return model
}

// Run implements [drivers.Driver]. What cannot be read is left out, and logged
// once; it is no reason to end.
func (b *Board) Run(ctx context.Context, report func(drivers.Reading)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.model = b.Model()
	b.reset = resetCause(b.files)
	b.start = b.startSettings()
	defer b.stopFans()
	b.driveFans()
	var next time.Time
	for {
		now := b.clock.Now()
		due := !now.Before(next)
		if due {
			b.files.forget()
		}
		b.sample(now)
		if due {
			next = now.Add(b.config.Poll - sampleEvery/2)
			b.report(now, report)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.clock.After(sampleEvery):
		}
	}
}

// startSettings are the settings that decide whether the board starts again; nil
// where nothing is known of it.
func (b *Board) startSettings() *drivers.Start {
	if !isPi(b.model) {
		return nil
	}
	var s drivers.Start
	if f := familyOf(b.model); f == family4 || f == family5 {
		if answer, err := b.firmware.Ask("bootloader_config"); b.trouble("bootloader_config", err) == nil {
			s = startOf(b.model, answer)
		}
	}
	_, err := FindRTC(b.files.root)
	s.Clock = new(err == nil)
	return &s
}

// sample asks what changes faster than it is reported.
func (b *Board) sample(now time.Time) {
	before := b.counters.lasts("under-voltage")
	b.flags, b.under = nil, nil
	for _, h := range named(b.files.hwmons(), "rpi_volt") {
		if alarm, ok := b.files.number(h.dir, "in0_lcrit_alarm"); ok {
			b.under = new(alarm != 0)
		}
	}
	if isPi(b.model) {
		b.ask(now)
	} else if b.under != nil {
		b.counters.flag("under-voltage", *b.under)
	}
	b.pmic.forget(now)
	switch low := b.counters.lasts("under-voltage"); {
	case low && !before:
		b.log.Warn("supply voltage is too low", "count", b.counters.counts["under-voltage"])
	case before && !low:
		b.log.Info("supply voltage is good again")
	}
}

// ask asks the firmware for its flags and the power chip's readings.
func (b *Board) ask(now time.Time) {
	answer, err := b.firmware.Ask("get_throttled")
	var bits mailbox.Throttled
	if err == nil {
		bits, err = mailbox.ParseThrottled(answer)
	}
	if b.trouble("get_throttled", err) == nil {
		if b.under != nil && *b.under {
			bits |= 1 // what the kernel saw within the last 2 s
		}
		b.counters.take(bits)
		b.flags, b.under = flagsOf(bits), new(bits.Now(0))
	} else if b.under != nil {
		b.counters.flag("under-voltage", *b.under)
	}
	if b.noPMIC {
		return
	}
	answer, err = b.firmware.Ask("pmic_read_adc")
	if errors.Is(err, mailbox.ErrUnknown) {
		b.noPMIC = true // only a Pi 5 has it
		return
	}
	var rails []mailbox.Rail
	if err == nil {
		rails, err = mailbox.ParseRails(answer)
	}
	if b.trouble("pmic_read_adc", err) == nil {
		b.pmic.add(pmicSample{now, rails})
	}
}

// trouble logs err where it is another than before of the same subject, and gives
// it back.
func (b *Board) trouble(subject string, err error) error {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if b.said[subject] != text {
		b.said[subject] = text
		if err != nil {
			b.log.Warn("board cannot be read in full", "what", subject, "err", err)
		} else {
			b.log.Info("board can be read again", "what", subject)
		}
	}
	return err
}

// report reports all there is.
func (b *Board) report(now time.Time, report func(drivers.Reading)) {
	rails, whole := b.rails(now)
	temperature := b.temperature()
	n := drivers.Node{
		Model: b.model, Temperature: temperature, UnderVoltage: b.under, Throttled: b.flags, Reset: b.reset,
		Drives: b.drives.read(b.files, b.smart, now, b.trouble), Start: b.start,
	}
	for name, count := range b.counters.counts {
		if n.Counts == nil {
			n.Counts = map[string]uint64{}
		}
		n.Counts[name] = count
	}
	n.Draw, n.Method = b.draw(whole)
	say := func(f drivers.Fact) { report(drivers.Reading{At: now, Fact: f}) }
	say(n)
	for _, r := range rails {
		say(r)
	}
	for _, f := range boardFans(b.files, temperature) {
		say(f)
	}
	for _, c := range b.config.Fans {
		if f, err := c.read(b.files); b.trouble("fan "+c.Name, err) == nil {
			say(f)
		}
	}
}

// rails are all rails; whole is the draw that one of them measures.
func (b *Board) rails(now time.Time) (all []drivers.Rail, whole *drivers.Watt) {
	input := RailConfig{LowWarning: float64(inputWarning), LowCritical: float64(inputCritical)}
	for _, r := range b.pmic.rails(now) {
		if r.Name == inputRail && r.Volts != nil {
			r.Level = b.level(r, input)
		}
		all = append(all, r)
	}
	for _, c := range b.config.Rails {
		r, err := c.read(b.files)
		if b.trouble("rail "+c.Name, err) != nil {
			continue
		}
		r.Level = b.level(r, c)
		if c.Whole {
			whole = r.Watts
		}
		all = append(all, r)
	}
	return all, whole
}

func (b *Board) level(r drivers.Rail, limits RailConfig) drivers.Level {
	before := b.levels[r.Name]
	level := limits.level(*r.Volts, before)
	if b.levels[r.Name] = level; level != before && (before != "" || level != drivers.OK) && level != "" {
		b.log.Warn("rail is at another level", "rail", r.Name, "level", string(level), "volts", fmt.Sprintf("%.2f", float64(*r.Volts)))
	}
	return level
}

// draw is the best that is known of the node's draw, and how it is known.
func (b *Board) draw(whole *drivers.Watt) (*drivers.Watt, string) {
	if whole != nil {
		return whole, "measured DC"
	}
	if estimate := b.pmic.draw(drivers.Watt(b.config.ExtraWatts)); estimate != nil {
		return estimate, "PMIC estimate"
	}
	if w := TableDraw(ModelOf(b.model)); w > 0 {
		return &w, drivers.ByTable
	}
	return nil, ""
}

// temperature is the SoC's: by the kernel, else by the firmware.
func (b *Board) temperature() *drivers.Celsius {
	for _, h := range named(b.files.hwmons(), "cpu_thermal") {
		if milli, ok := b.files.number(h.dir, "temp1_input"); ok {
			return new(drivers.Celsius(milli / 1000))
		}
	}
	// Zone 0 is the SoC on every Raspberry Pi.
	if milli, ok := b.files.number("sys/class/thermal/thermal_zone0/temp"); ok {
		return new(drivers.Celsius(milli / 1000))
	}
	if isPi(b.model) {
		if answer, err := b.firmware.Ask("measure_temp"); err == nil {
			if t, err := mailbox.ParseTemperature(answer); b.trouble("measure_temp", err) == nil {
				return &t
			}
		}
	}
	return nil
}

// driveFans sets the fans that are the driver's to set.
func (b *Board) driveFans() {
	b.files.forget()
	for _, c := range b.driven() {
		_ = b.trouble("drive fan "+c.Name, c.drive(b.files, c.Duty))
	}
}

// stopFans leaves them at full speed: nobody looks after them now.
func (b *Board) stopFans() {
	b.files.forget() // what is written has to be the right chip's
	for _, c := range b.driven() {
		_ = b.trouble("drive fan "+c.Name, c.drive(b.files, 100))
	}
}

func (b *Board) driven() []FanConfig {
	return slices.DeleteFunc(slices.Clone(b.config.Fans), func(c FanConfig) bool { return c.Duty == 0 })
}
