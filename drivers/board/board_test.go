package board

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastwatt/clock"
	"lastwatt/drivers"
	"lastwatt/drivers/board/boardtest"
	"lastwatt/drivers/board/mailbox"
	"lastwatt/drivers/drivertest"
)

// rig is a board of testdata that a test may change while it runs.
type rig struct {
	root  string
	log   bytes.Buffer
	board *Board

	mu       sync.Mutex
	firmware mailbox.Recorded
	logs     map[string][]byte // of the drives
}

// answers changes what the firmware answers from now on.
func (r *rig) answers(command, answer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.firmware[command] = answer
}

// keeps changes what a drive keeps of its health.
func (r *rig) keeps(drive string, log []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logs[drive] = log
}

// Ask implements [mailbox.Asker].
func (r *rig) Ask(command string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.firmware.Ask(command)
}

// SmartLog implements [Drives].
func (r *rig) SmartLog(drive string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if log, ok := r.logs[drive]; ok {
		return log, nil
	}
	return nil, fmt.Errorf("SMART log of %s: %w", drive, drivers.ErrNoDevice)
}

func newRig(t *testing.T, name string, c Config) *rig {
	t.Helper()
	r := &rig{logs: map[string][]byte{}}
	r.root, r.firmware = boardtest.Board(t, "testdata", name)
	r.board = New(Options{Config: c, Root: r.root, Clock: clock.Process(), Mailbox: r, Drives: r,
		Log: slog.New(slog.NewTextHandler(&r.log, nil))})
	return r
}

// facts runs the board for so long and returns what it reported last.
func (r *rig) facts(t *testing.T, long time.Duration, during func(at time.Duration)) (n drivers.Node, rails map[string]drivers.Rail, fans map[string]drivers.Fan) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	start := time.Now()
	done := make(chan error)
	rails, fans = map[string]drivers.Rail{}, map[string]drivers.Fan{}
	go func() {
		done <- r.board.Run(ctx, func(reading drivers.Reading) {
			switch f := reading.Fact.(type) {
			case drivers.Node:
				n = f
			case drivers.Rail:
				rails[f.Name] = f
			case drivers.Fan:
				fans[f.Name] = f
			}
		})
	}()
	for tick := time.NewTicker(time.Second); during != nil && ctx.Err() == nil; {
		select {
		case <-tick.C:
			if at := time.Since(start); at < long { // at the same moment its run ends
				during(at)
			}
		case <-ctx.Done():
			tick.Stop()
		}
	}
	if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run = %v", err)
	}
	return n, rails, fans
}

func TestTheBoardKeepsADriversPromises(t *testing.T) {
	for _, name := range []string{"pizerow", "pi4", "pi5", "pi5-nvme"} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T) drivertest.Rig { return drivertest.Rig{Driver: newRig(t, name, Config{}).board} })
		})
	}
	t.Run("a machine that is no Pi", func(t *testing.T) {
		drivertest.Run(t, func(t *testing.T) drivertest.Rig {
			return drivertest.Rig{Driver: New(Options{Root: t.TempDir(), Clock: clock.Process()})}
		})
	})
}

func TestWhatEachBoardTells(t *testing.T) {
	for _, c := range []struct {
		name string
		want drivers.Node
	}{
		{"pizerow", drivers.Node{
			Model: "Raspberry Pi Zero W Rev 1.1", Temperature: new(drivers.Celsius(36.318)), Draw: new(drivers.Watt(1.5)), Method: "table by model",
			UnderVoltage: new(false), Throttled: []string{}, Start: &drivers.Start{Clock: new(false)},
		}},
		{"pi4", drivers.Node{
			Model: "Raspberry Pi 4 Model B Rev 1.5", Temperature: new(drivers.Celsius(62.322)), Draw: new(drivers.Watt(6.3)), Method: "table by model",
			UnderVoltage: new(false), Throttled: []string{}, Reset: "power came on",
			Start: &drivers.Start{PowerOffOnHalt: new(false), WakeOnGPIO: new(true), Clock: new(false)},
		}},
		{"pi5", drivers.Node{
			Model: "Raspberry Pi 5 Model B Rev 1.0", Temperature: new(drivers.Celsius(48.85)), Method: "PMIC estimate",
			UnderVoltage: new(false), Throttled: []string{}, Reset: "power came on",
			Start: &drivers.Start{PowerOffOnHalt: new(false), WaitForPowerButton: new(false), Clock: new(true)},
		}},
		{"pi5-nvme", drivers.Node{
			Model: "Raspberry Pi 5 Model B Rev 1.0", Temperature: new(drivers.Celsius(48.85)), Method: "PMIC estimate",
			UnderVoltage: new(false), Throttled: []string{}, Reset: "power came on",
			Drives: []drivers.Drive{{Name: "nvme0", Temperature: new(drivers.Celsius(17.85))}},
			Start:  &drivers.Start{PowerOffOnHalt: new(false), WaitForPowerButton: new(false), Clock: new(true)},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, c.name, Config{})
				got, _, _ := r.facts(t, time.Second, nil)
				if c.want.Method == "PMIC estimate" {
					// The sum of the recording's rails is 10.79989 W.
					if got.Draw == nil || math.Abs(float64(*got.Draw)-12.9549) > 0.0001 {
						t.Errorf("draw %v", got.Draw)
					}
					got.Draw = nil
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
				if r.log.Len() > 0 {
					t.Errorf("a healthy board logs: %s", r.log.String())
				}
			})
		})
	}
}

func TestAPi5TellsItsRailsAndItsFan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, rails, fans := newRig(t, "pi5", Config{}).facts(t, time.Second, nil)
		if len(rails) != 14 {
			t.Errorf("%d rails", len(rails))
		}
		core := rails["VDD_CORE"]
		if core.Watts == nil || math.Abs(float64(*core.Watts)-9.7615) > 0.001 || core.Level != "" {
			t.Errorf("VDD_CORE: %+v", core)
		}
		if in := rails["EXT5V"]; in.Level != drivers.OK || in.Amps != nil || in.Watts != nil {
			t.Errorf("EXT5V: %+v", in)
		}
		want := drivers.Fan{Name: "cooling_fan", RPM: new(1468.0), Duty: new(drivers.Percent(75.0 * 100 / 255)), State: drivers.FanRunning}
		if diff := cmp.Diff(map[string]drivers.Fan{"cooling_fan": want}, fans); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAClockWithoutACellIsNoRail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "pi5", Config{})
		r.answers("pmic_read_adc", "  EXT5V_V volt(24)=4.92450000V\n BATT_V volt(25)=0.00341880V\n")
		_, rails, _ := r.facts(t, time.Second, nil)
		if _, there := rails["BATT"]; there || len(rails) != 1 {
			t.Errorf("%+v", rails)
		}
	})
}

func TestTheInputOfAPi5IsJudged(t *testing.T) {
	for _, c := range []struct {
		volts string
		want  drivers.Level
	}{{"4.90", drivers.OK}, {"4.80", drivers.OK}, {"4.79", drivers.Warning}, {"4.70", drivers.Warning}, {"4.69", drivers.Critical}} {
		t.Run(c.volts, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "pi5", Config{})
				r.answers("pmic_read_adc", " EXT5V_V volt(24)="+c.volts+"V\n")
				_, rails, _ := r.facts(t, time.Second, nil)
				if got := rails["EXT5V"].Level; got != c.want {
					t.Errorf("%s V is %q, want %q", c.volts, got, c.want)
				}
			})
		})
	}
}

func TestReadingsOfThePowerChipAreAveraged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "pi5", Config{ExtraWatts: 3})
		high := false
		n, rails, _ := r.facts(t, 61*time.Second, func(time.Duration) {
			high = !high
			r.answers("pmic_read_adc", map[bool]string{true: "A_A current(0)=2.0A\nA_V volt(1)=1.0V\n", false: "A_A current(0)=4.0A\nA_V volt(1)=1.0V\n"}[high])
		})
		// A sample falls on either figure: the mean lies between, and so does the draw.
		if a := rails["A"].Amps; a == nil || *a < 2 || *a > 4 {
			t.Errorf("amps %v", a)
		}
		if low, up := 1.1451*2+0.5879+3, 1.1451*4+0.5879+3; n.Draw == nil || float64(*n.Draw) < low-1e-9 || float64(*n.Draw) > up+1e-9 {
			t.Errorf("draw %v, want %v to %v", n.Draw, low, up)
		}
	})
	p := pmic{}
	at := time.Now()
	for i := range 20 {
		p.add(pmicSample{at.Add(time.Duration(i) * 2 * time.Second), []mailbox.Rail{{Name: "A", Volts: new(drivers.Volt(1)), Amps: new(drivers.Ampere(float64(i)))}}})
	}
	last := at.Add(38 * time.Second)
	if got := p.rails(last); *got[0].Amps != 17 { // 15 to 19
		t.Errorf("the rail's mean is %v", *got[0].Amps)
	}
	if got := float64(*p.draw(0)); math.Abs(got-(1.1451*12+0.5879)) > 1e-9 { // 5 to 19
		t.Errorf("the draw's mean is %v", got)
	}
	p.forget(last.Add(30 * time.Second))
	if got := p.draw(0); got != nil || p.rails(last) != nil {
		t.Errorf("what is half a minute old still counts: %v", *got)
	}
}

func TestAMeasuredDrawBeatsAnEstimate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "pi5", Config{Rails: []RailConfig{{Name: "5V", Device: "ina219", Whole: true}}})
		n, _, _ := r.facts(t, time.Second, nil)
		if n.Method != "PMIC estimate" || !strings.Contains(r.log.String(), "no chip ina219 among hwmon (") {
			t.Errorf("%s; log %s", n.Method, r.log.String())
		}
		boardtest.Grow(t, r.root, ina219)
		n, rails, _ := r.facts(t, time.Second, nil)
		if n.Method != "measured DC" || n.Draw == nil || math.Abs(float64(*n.Draw)-7.56) > 1e-9 {
			t.Errorf("%v by %s", n.Draw, n.Method)
		}
		if v := rails["5V"].Volts; v == nil || *v != 5.04 {
			t.Errorf("%+v", rails["5V"])
		}
	})
}

func TestAChipThatComesWhileTheBoardIsReadIsInTheNextReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "pi5", Config{Rails: []RailConfig{{Name: "5V", Device: "ina219", Whole: true}}})
		n, _, _ := r.facts(t, 25*time.Second, func(at time.Duration) {
			if at == 13*time.Second {
				boardtest.Grow(t, r.root, ina219)
			}
		})
		if n.Method != "measured DC" {
			t.Errorf("the draw is known by %q", n.Method)
		}
	})
}

// ina219 is a chip of the kernel's ina2xx driver (kernel documentation, hwmon/ina2xx).
const ina219 = `sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/name: ina219
sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/in0_input: 15
sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/in1_input: 5040
sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/curr1_input: 1500
sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/power1_input: 7560000
sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/shunt_resistor: 10000
`

func TestUnderVoltageIsCountedByItsBeginnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "pi5", Config{})
		alarm := func(on string) {
			boardtest.Write(t, r.root, "sys/devices/platform/soc/soc:firmware/raspberrypi-hwmon/hwmon/hwmon*/in0_lcrit_alarm", on)
		}
		n, _, _ := r.facts(t, 2*time.Minute, func(at time.Duration) {
			switch at {
			case 11 * time.Second: // swings for 12 s: one event
				alarm("1")
			case 15 * time.Second:
				alarm("0")
			case 19 * time.Second:
				alarm("1")
			case 23 * time.Second:
				alarm("0")
			case 61 * time.Second: // and another, which only the firmware's bits tell
				r.answers("get_throttled", "throttled=0x50005")
			case 71 * time.Second:
				r.answers("get_throttled", "throttled=0x50000")
			case 101 * time.Second: // and one between two samples
				r.answers("get_throttled", "throttled=0x0")
			case 105 * time.Second:
				r.answers("get_throttled", "throttled=0x10000")
			}
		})
		want := map[string]uint64{"under-voltage": 3, "throttled": 1}
		if diff := cmp.Diff(want, n.Counts); diff != "" {
			t.Error(diff)
		}
		if n.UnderVoltage == nil || *n.UnderVoltage || len(n.Throttled) != 0 {
			t.Errorf("now: %v, %v", n.UnderVoltage, n.Throttled)
		}
		if low, good := strings.Count(r.log.String(), "too low"), strings.Count(r.log.String(), "good again"); low != 3 || good != 3 {
			t.Errorf("%d lines of its beginning and %d of its end: %s", low, good, r.log.String())
		}
	})
}

func TestWhatHasBeenBeforeTheAgentStartedIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, _ := newRig(t, "pi4", Config{}).facts(t, time.Minute, nil) // throttled=0x50000
		if len(n.Counts) != 0 {
			t.Errorf("%v", n.Counts)
		}
	})
}

func TestFlagsThatAreSetHaveNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "pi4", Config{})
		r.answers("get_throttled", "throttled=0xe000f")
		n, _, _ := r.facts(t, time.Second, nil)
		if diff := cmp.Diff([]string{"under-voltage", "frequency capped", "throttled", "soft temperature limit"}, n.Throttled); diff != "" || !*n.UnderVoltage {
			t.Error(diff)
		}
	})
}

// closed is firmware that this process may not ask.
type closed struct{}

func (closed) Ask(command string) (string, error) {
	return "", fmt.Errorf("ask the firmware %q: /dev/vcio: %w", command, drivers.ErrPermission)
}

func TestWithoutPermissionTheRestIsStillRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "pi5", Config{})
		r.board.firmware = closed{}
		n, rails, fans := r.facts(t, time.Minute, nil)
		if n.Throttled != nil || n.UnderVoltage == nil || n.Temperature == nil || len(rails) != 0 || len(fans) != 1 || n.Method != "table by model" {
			t.Errorf("%+v, %d rails, %d fans", n, len(rails), len(fans))
		}
		if n.Start == nil || n.Start.PowerOffOnHalt != nil || n.Start.Clock == nil {
			t.Errorf("start: %+v", n.Start)
		}
		if lines := strings.Count(r.log.String(), "no permission"); lines != 3 { // of three questions, each once
			t.Errorf("%d lines: %s", lines, r.log.String())
		}
	})
}

func TestReadingsComeAsOftenAsTheyShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "pi4", Config{})
		var at []time.Duration
		ctx, cancel := context.WithTimeout(t.Context(), 31*time.Second)
		defer cancel()
		start := time.Now()
		_ = r.board.Run(ctx, func(reading drivers.Reading) {
			if _, ok := reading.Fact.(drivers.Node); ok {
				at = append(at, time.Since(start))
			}
		})
		if diff := cmp.Diff([]time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second}, at); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhatIsWrongInAConfigurationIsTold(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Poll: time.Second}, "poll: want 2s to 1m0s (got 1s)"},
		{Config{ExtraWatts: -1}, "extra_watts: want 0 to 100 (got -1)"},
		{Config{Rails: []RailConfig{{Device: "ina219"}}}, "rails[0]: no name: give it one, such as name: 12V"},
		{Config{Rails: []RailConfig{{Name: "a"}}}, `rails[0]: "a" has no device: write what its chip is called, such as ina219, ina3221, ads1115`},
		{Config{Rails: []RailConfig{{Name: "a", Device: "x"}, {Name: "a", Device: "x"}}}, `rails[1]: there are two rails called "a"`},
		{Config{Rails: []RailConfig{{Name: "a", Device: "x", Whole: true}, {Name: "b", Device: "x", Whole: true}}}, "rails: 2 are marked whole: all of a node's current flows through one"},
		{Config{Rails: []RailConfig{{Name: "a", Device: "x", LowWarning: 4, LowCritical: 5}}}, `rails[0]: "a": want low_critical <= low_warning <= high_warning <= high_critical (got [5 4 0 0])`},
		{Config{Rails: []RailConfig{{Name: "a", Device: "x", Times: -2}}}, `rails[0]: "a": times: want the factor of the divider, such as 4.03 (got -2)`},
		{Config{Rails: []RailConfig{{Name: "a", Device: "x", Channel: new(99)}}}, `rails[0]: "a": channel: want the chip's number of the input, 0 to 31 (got 99)`},
		{Config{Rails: []RailConfig{{Name: "a", Device: "ina3221", Channel: new(4)}}}, `rails[0]: "a": channel: want one of the 3 that ina3221 numbers from 1; what comes after are its shunts (got 4)`},
		{Config{Rails: []RailConfig{{Name: "a", Device: "ina219", Channel: new(0)}}}, `rails[0]: "a": channel: want one of the 1 that ina219 numbers from 1; what comes after are its shunts (got 0)`},
		{Config{ExtraWatts: math.NaN()}, "extra_watts: want 0 to 100 (got NaN)"},
		{Config{Rails: []RailConfig{{Name: "a", Device: "x", Times: math.NaN()}}}, `rails[0]: "a": times: want the factor of the divider, such as 4.03 (got NaN)`},
		{Config{Rails: []RailConfig{{Name: "a", Device: "x", LowWarning: math.NaN()}}}, `rails[0]: "a": want low_critical <= low_warning <= high_warning <= high_critical (got [0 NaN 0 0])`},
		{Config{Fans: []FanConfig{{Name: "rear", Device: "x", Duty: math.NaN()}}}, `fans[0]: "rear": duty: want 1 to 100, or 0 to only read it (got NaN)`},
		{Config{Fans: []FanConfig{{Device: "x"}}}, "fans[0]: no name: give it one, such as name: rear"},
		{Config{Fans: []FanConfig{{Name: "rear"}}}, `fans[0]: "rear" has no device: write the PWM chip's, such as 1f00098000.pwm (ls -l /sys/class/pwm shows them)`},
		{Config{Fans: []FanConfig{{Name: "rear", Device: "x", Duty: 101}}}, `fans[0]: "rear": duty: want 1 to 100, or 0 to only read it (got 101)`},
	} {
		_, err := Kind().New(func(into any) error { *into.(*Config) = c.config; return nil }, drivers.Options{})
		if err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}
