package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastwatt/clock"
	"lastwatt/drivers"
	"lastwatt/drivers/board"
	"lastwatt/drivers/board/boardtest"
	"lastwatt/drivers/board/mailbox"
)

// rigFile is the file of the rig to confirm; the flag is the program's.
var rigFile = flag.String("rig", "", "confirm the node that this runs on against a rig's file")

func readme(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// documented is the rig of README.md.
func documented(t *testing.T) Rig {
	t.Helper()
	m := regexp.MustCompile("(?s)```yaml rig\n(.*?)```").FindStringSubmatch(readme(t))
	if m == nil {
		t.Fatal("README.md has no rig")
	}
	rig, err := ParseRig([]byte(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return rig
}

// TestTheNode confirms the node where a rig is given. Where none is, it is the
// bench itself that is tested, by the others.
func TestTheNode(t *testing.T) {
	if *rigFile == "" {
		t.Log("no -rig: nothing is confirmed, only the bench itself is tested")
		return
	}
	data, err := os.ReadFile(*rigFile)
	if err != nil {
		t.Fatal(err)
	}
	rig, err := ParseRig(data)
	if err != nil {
		t.Fatal(err)
	}
	m := Machine{Root: "/", Mailbox: mailbox.Device{Root: "/"},
		Alarm: func() (Alarm, error) {
			rtc, err := board.FindRTC("/")
			if err == nil && !strings.HasPrefix(rtc.Name, rig.Clock) {
				return nil, fmt.Errorf("the clock is %q, and the rig says %q", rtc.Name, rig.Clock)
			}
			return rtc, err
		},
		Doctor: func(ctx context.Context) ([]byte, error) {
			out, err := exec.CommandContext(ctx, "lastwatt", "doctor", "--json").Output()
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && len(out) > 0 {
				return out, nil // its status says the worst
			}
			return out, err
		}}
	r, err := m.Read(t.Context(), rig.Board, clock.Real(), 35*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{r.Node.Model}
	for _, s := range Steps() {
		seen, err := s.Do(t.Context(), m, rig, r)
		switch {
		case errors.Is(err, ErrAbsent):
			list = append(list, s.Name+": "+err.Error())
			continue // no test of that name passes
		case err != nil:
			list = append(list, s.Name+": DIFFERS: "+err.Error())
		case seen != "":
			list = append(list, s.Name+": by hand: "+seen)
			continue
		default:
			list = append(list, s.Name+": confirmed")
		}
		t.Run(s.Name, func(t *testing.T) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	t.Log("for the report:\n" + strings.Join(list, "\n"))
}

func TestEveryStepHasItsHeadingAndEveryHeadingItsStep(t *testing.T) {
	var headings, steps []string
	for _, m := range regexp.MustCompile(`(?m)^### (.+)$`).FindAllStringSubmatch(readme(t), -1) {
		headings = append(headings, m[1])
	}
	for _, s := range Steps() {
		steps = append(steps, s.Name)
	}
	if diff := cmp.Diff(headings, steps); diff != "" {
		t.Error(diff)
	}
}

func TestTheDocumentedRigNamesEveryKey(t *testing.T) {
	rig := documented(t)
	if rig.Celsius == nil || rig.InputVolts == nil || rig.Watts == nil || rig.Start == nil || rig.Fan == nil || rig.Drive == nil || rig.Clock == "" ||
		rig.Reset == "" || rig.Method == "" || !rig.Firmware || len(rig.Board.Rails) == 0 || len(rig.Rails) == 0 || rig.Doctor == nil || len(rig.Seen) == 0 {
		t.Errorf("%+v", rig)
	}
}

func TestAWrongRigIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"firmware: true\n":                   "no model",
		"model: Pi\nwatt: {is: 3}\n":         "watt",
		"model: Pi\nseen: {no-such: done}\n": `there is no step "no-such"`,
	} {
		if _, err := ParseRig([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// fakeAlarm is a clock that keeps what it is told.
type fakeAlarm struct {
	after time.Duration
	armed bool
	lies  bool
}

func (f *fakeAlarm) SetAlarm(after time.Duration) error {
	f.after, f.armed = after, !f.lies
	return nil
}
func (f *fakeAlarm) ClearAlarm() error { f.armed = false; return nil }
func (f *fakeAlarm) Alarm() (time.Duration, bool, error) {
	return f.after, f.armed, nil
}

type oneLog struct{}

func (oneLog) SmartLog(string) ([]byte, error) {
	log := make([]byte, 512)
	log[1], log[2], log[5] = 0x23, 0x01, 3 // 291 K, 3 %
	return log, nil
}

// recorded is the recorded Pi 5 with the chip that the documented rig has.
func recorded(t *testing.T) (Machine, *fakeAlarm) {
	t.Helper()
	root, firmware := boardtest.Board(t, "../../drivers/board/testdata", "pi5-nvme")
	boardtest.Grow(t, root, "sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/name: ina219\n"+
		"sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/in1_input: 5040\n")
	a := &fakeAlarm{}
	return Machine{Root: root, Mailbox: firmware, Drives: oneLog{}, Alarm: func() (Alarm, error) { return a, nil },
		Doctor: func(context.Context) ([]byte, error) {
			return []byte(`{"problems": [{"code": "eeprom-halt", "text": "it draws"}]}`), nil
		}}, a
}

func TestTheStepsPassOnARecordedBoard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a := recorded(t)
		a.after, a.armed = time.Hour, true
		rig := documented(t)
		r, err := m.Read(t.Context(), rig.Board, clock.Process(), 35*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range Steps() {
			seen, err := s.Do(t.Context(), m, rig, r)
			if s.Run == nil && seen == "" {
				if !errors.Is(err, ErrAbsent) {
					t.Errorf("%s is confirmed by nobody", s.Name)
				}
			} else if err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
		}
		if !a.armed || a.after != time.Hour {
			t.Errorf("the alarm that was set is now %v, %t", a.after, a.armed)
		}
	})
}

func TestAStepWithoutItsHardwareConfirmsNothing(t *testing.T) {
	m, _ := recorded(t)
	for _, s := range Steps() {
		if _, err := s.Do(t.Context(), m, Rig{Model: "x"}, Reading{}); s.Name != "model" && !errors.Is(err, ErrAbsent) {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

func TestEachStepFindsItsDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a := recorded(t)
		good, err := m.Read(t.Context(), documented(t).Board, clock.Process(), 35*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		tried := []string{}
		for _, c := range []struct {
			step, want string
			spoil      func(*Machine, *Rig, *Reading)
		}{
			{"model", `the device tree says "Raspberry Pi 5 Model B Rev 1.0", and the rig "Raspberry Pi 4"`, func(_ *Machine, g *Rig, _ *Reading) { g.Model = "Raspberry Pi 4" }},
			{"flags", "no such device", func(m *Machine, _ *Rig, _ *Reading) { m.Mailbox = mailbox.Recorded(nil) }},
			{"temperature", "°C: we read 48.850, and the rig says 60, give or take 3", func(_ *Machine, g *Rig, _ *Reading) { g.Celsius = &Figure{60, 3} }},
			{"input", "EXT5V in V: we read 5.068, and the rig says 4.7, give or take 0.1", func(_ *Machine, g *Rig, _ *Reading) { g.InputVolts = &Figure{4.7, 0.1} }},
			{"draw", `the draw is by "PMIC estimate", and the rig wants "measured DC"`, func(_ *Machine, g *Rig, _ *Reading) { g.Method = "measured DC" }},
			{"start", "POWER_OFF_ON_HALT: we read false, and the rig says true", func(_ *Machine, g *Rig, _ *Reading) { g.Start.PowerOffOnHalt = new(true) }},
			{"reset", `we read "power came on", and the rig says "restarted"`, func(_ *Machine, g *Rig, _ *Reading) { g.Reset = "restarted" }},
			{"fan", "it turns: we read true (running), and the rig says false", func(_ *Machine, g *Rig, _ *Reading) { g.Fan.Turns = false }},
			{"drive", "percentage used: we read 3.000, and the rig says 9, give or take 0", func(_ *Machine, g *Rig, _ *Reading) { g.Drive.Used = 9 }},
			{"clock", "an alarm in 3h0m0s was set, and 3h0m0s (armed: false) is read back", func(*Machine, *Rig, *Reading) { a.lies = true }},
			{"rails", "V of 5V: we read 5.040, and the rig says 4.8, give or take 0", func(_ *Machine, g *Rig, _ *Reading) { g.Rails = map[string]Figure{"5V": {4.8, 0}} }},
			{"doctor", "doctor finds eeprom-halt, which the rig does not know of: it draws", func(_ *Machine, g *Rig, _ *Reading) { g.Doctor = &[]string{} }},
			{"doctor", "the rig knows of clock, which doctor does not find", func(_ *Machine, g *Rig, _ *Reading) { g.Doctor = &[]string{"eeprom-halt", "clock"} }},
			{"fan", `no fan "rear" among`, func(_ *Machine, g *Rig, _ *Reading) { g.Fan.Name = "rear" }},
			{"drive", "tells no temperature or no wear: does this run as root?", func(_ *Machine, _ *Rig, r *Reading) { r.Node.Drives = []drivers.Drive{{Name: "nvme0"}} }},
		} {
			spoiled, rig, r := m, documented(t), good
			c.spoil(&spoiled, &rig, &r)
			s, _ := find(c.step)
			tried = append(tried, c.step)
			if _, err := s.Do(t.Context(), spoiled, rig, r); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %s", c.step, err, c.want)
			}
		}
		for _, s := range Steps() {
			if s.Run != nil && !slices.Contains(tried, s.Name) {
				t.Errorf("%s was never seen to fail", s.Name)
			}
		}
	})
}
