package board

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastwatt/drivers"
	"lastwatt/drivers/board/boardtest"
)

func TestRailsOfOtherChipsAreRead(t *testing.T) {
	root := boardtest.Tree(t, ina219+`sys/devices/platform/soc/i2c-1/1-0041/hwmon/hwmon*/name: ina3221
sys/devices/platform/soc/i2c-1/1-0041/hwmon/hwmon*/in2_input: 12080
sys/devices/platform/soc/i2c-1/1-0041/hwmon/hwmon*/curr2_input: 750
sys/devices/platform/soc/i2c-1/1-0048/iio:device*/name: ads1015
sys/devices/platform/soc/i2c-1/1-0048/iio:device*/in_voltage0_raw: 1600
sys/devices/platform/soc/i2c-1/1-0048/iio:device*/in_voltage0_scale: 1.875
sys/devices/platform/soc/i2c-1/1-004a/iio:device*/name: ads1015
sys/devices/platform/soc/i2c-1/1-0044/iio:device*/name: ina226
sys/devices/platform/soc/i2c-1/1-0044/iio:device*/in_voltage1_raw: 4000
sys/devices/platform/soc/i2c-1/1-0044/iio:device*/in_voltage1_scale: 1.25
sys/devices/platform/soc/i2c-1/1-0044/iio:device*/in_current3_raw: 900
sys/devices/platform/soc/i2c-1/1-0044/iio:device*/in_current3_scale: 2
`)
	for _, c := range []struct {
		config             RailConfig
		volts, amps, watts float64 // amps < 0: not told
		wrong              string
	}{
		{config: RailConfig{Name: "5V", Device: "ina219"}, volts: 5.04, amps: 1.5, watts: 7.56},
		{config: RailConfig{Name: "12V", Device: "ina3221", Channel: new(2)}, volts: 12.08, amps: 0.75, watts: 9.06},
		{config: RailConfig{Name: "12V", Device: "ads1115", At: "1-0048", Times: 4}, volts: 12, amps: -1},
		{config: RailConfig{Name: "5V", Device: "ina226"}, volts: 5, amps: 1.8, watts: 9},
		{config: RailConfig{Name: "12V", Device: "ina3221"}, wrong: `rail "12V": ina3221 at 1-0041 gives no in1_input: has it such a channel?`},
		{config: RailConfig{Name: "12V", Device: "ads1115"}, wrong: `rail "12V": there are 2 chips ads1115: say which with at: (ads1015 at 1-0048, ads1015 at 1-004a)`},
		{config: RailConfig{Name: "12V", Device: "ads1115", At: "1-004a"}, wrong: `rail "12V": ads1015 at 1-004a gives no in_voltage0_raw with a scale: is the channel on in its overlay?`},
		{config: RailConfig{Name: "12V", Device: "ina219", At: "0-0040"}, wrong: `rail "12V": no such device: no chip ina219 at 0-0040 among hwmon (ina219 at 1-0040, ina3221 at 1-0041) and IIO (ina226 at 1-0044, ads1015 at 1-0048, ads1015 at 1-004a); is its overlay loaded?`},
	} {
		r, err := c.config.read(files{root: root})
		if c.wrong != "" {
			if err == nil || err.Error() != c.wrong {
				t.Errorf("got  %v\nwant %s", err, c.wrong)
			}
			continue
		}
		near := func(got *float64, want float64) bool { return got != nil && math.Abs(*got-want) < 1e-9 }
		if err != nil || !near((*float64)(r.Volts), c.volts) || (c.amps >= 0) != near((*float64)(r.Amps), c.amps) || c.amps >= 0 && !near((*float64)(r.Watts), c.watts) {
			t.Errorf("%+v: %+v, %v", c.config, r, err)
		}
	}
}

func TestALevelIsLeftOnlyByADistance(t *testing.T) {
	c := RailConfig{LowCritical: 4.7, LowWarning: 4.8, HighWarning: 5.3, HighCritical: 5.5}
	level := drivers.Level("")
	for _, s := range []struct {
		volts drivers.Volt
		want  drivers.Level
	}{
		{5, drivers.OK}, {4.79, drivers.Warning}, {4.81, drivers.Warning}, {4.83, drivers.OK}, {4.81, drivers.OK},
		{4.69, drivers.Critical}, {4.71, drivers.Critical}, {4.73, drivers.Warning}, {5.31, drivers.Warning},
		{5.29, drivers.Warning}, {5.2, drivers.OK}, {5.6, drivers.Critical},
	} {
		if level = c.level(s.volts, level); level != s.want {
			t.Errorf("%v is %s, want %s", s.volts, level, s.want)
		}
	}
	if got := (RailConfig{}).level(1, ""); got != "" {
		t.Errorf("a rail without limits is judged %q", got)
	}
}

func TestHwmonNumbersMeanNothing(t *testing.T) {
	// Each tree has other numbers; the answers are the same.
	for range 5 {
		root, _ := boardtest.Board(t, "testdata", "pi5-nvme")
		f := files{root: root}
		got := map[string]string{}
		for _, h := range f.hwmons() {
			got[h.name] = h.device
		}
		want := map[string]string{"cpu_thermal": "thermal_zone0", "rp1_adc": "1f000c8000.adc", "pwmfan": "cooling_fan", "rpi_volt": "raspberrypi-hwmon", "nvme": "nvme0"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEEPROMSettingsAreFilledInByTheModel(t *testing.T) {
	yes, no := new(true), new(false)
	for _, c := range []struct {
		model, config string
		want          drivers.Start
	}{
		{"Raspberry Pi 4 Model B Rev 1.5", "", drivers.Start{PowerOffOnHalt: no, WakeOnGPIO: yes}},
		{"Raspberry Pi 4 Model B Rev 1.5", "[all]\nWAKE_ON_GPIO=0\nPOWER_OFF_ON_HALT=1\n", drivers.Start{PowerOffOnHalt: yes, WakeOnGPIO: no}},
		{"Raspberry Pi 400 Rev 1.0", "WAKE_ON_GPIO=2\n", drivers.Start{WakeOnGPIO: yes}},
		{"Raspberry Pi 5 Model B Rev 1.0", "", drivers.Start{PowerOffOnHalt: no, WaitForPowerButton: no}},
		{"Raspberry Pi 5 Model B Rev 1.0", "[gpio4=1]\nPOWER_OFF_ON_HALT=1\n[all]\nWAIT_FOR_POWER_BUTTON=1\n", drivers.Start{WaitForPowerButton: yes}},
		{"Raspberry Pi Compute Module 5 Rev 1.0", "", drivers.Start{PowerOffOnHalt: yes, WaitForPowerButton: no}},
		{"Raspberry Pi 500 Rev 1.0", "POWER_OFF_ON_HALT=0\n", drivers.Start{PowerOffOnHalt: no, WaitForPowerButton: no}},
		{"Raspberry Pi Zero W Rev 1.1", "", drivers.Start{}},
	} {
		if diff := cmp.Diff(c.want, startOf(c.model, c.config)); diff != "" {
			t.Errorf("%s, %q: %s", c.model, c.config, diff)
		}
	}
}

func TestModelsHaveTheNamesOfTheConfiguration(t *testing.T) {
	for model, want := range map[string]string{
		"Raspberry Pi Zero W Rev 1.1": "pizero", "Raspberry Pi Zero 2 W Rev 1.0": "", "Raspberry Pi 3 Model B Plus Rev 1.3": "pi3",
		"Raspberry Pi 4 Model B Rev 1.5": "pi4", "Raspberry Pi 400 Rev 1.0": "pi4", "Raspberry Pi Compute Module 4 Rev 1.1": "pi4",
		"Raspberry Pi 5 Model B Rev 1.0": "pi5", "Raspberry Pi 500 Rev 1.0": "pi5", "ASUS Tinker Board": "", "": "",
	} {
		if got := ModelOf(model); got != want {
			t.Errorf("%q is %q, want %q", model, got, want)
		}
	}
}

func TestTheResetCauseIsInWords(t *testing.T) {
	for _, c := range []struct{ tree, want string }{
		{"", ""},
		{"proc/device-tree/chosen/power/power_reset = 00 00 00 02\nproc/device-tree/chosen/bootloader/rsts = 00 00 10 00\n", "power chip: under-voltage; power came on"},
		{"proc/device-tree/chosen/power/power_reset = 00 00 00 00\nproc/device-tree/chosen/bootloader/rsts = 00 00 10 20\n", "restarted by software or the watchdog"},
		{"proc/device-tree/chosen/power/power_reset = 00 00 00 51\n", "power chip: over-voltage; power chip: watchdog; power chip: bit 6"},
		{"proc/device-tree/chosen/bootloader/rsts = 00 00 00 04\n", "PM_RSTS 0x4"},
		{"proc/device-tree/chosen/power/power_reset = 00 00\n", ""},
	} {
		if got := resetCause(files{root: boardtest.Tree(t, c.tree)}); got != c.want {
			t.Errorf("%q: %q, want %q", c.tree, got, c.want)
		}
	}
}

// smartLog is a log in the layout of NVM Express base specification 1.4, figure 194.
func smartLog(warning byte, kelvin uint16, used byte) []byte {
	log := make([]byte, 512)
	log[0], log[5] = warning, used
	binary.LittleEndian.PutUint16(log[1:], kelvin)
	return log
}

func TestADrivesLogIsRead(t *testing.T) {
	got, err := ParseSmart(smartLog(4|8|2, 310, 103))
	if want := (Smart{Temperature: 37, Used: 103, Failing: []string{"its reliability is degraded", "it is read only"}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, make([]byte, 511), make([]byte, 512)} {
		if s, err := ParseSmart(bad); err == nil {
			t.Errorf("%d bytes of nothing are %+v", len(bad), s)
		}
	}
}

func FuzzParseSmart(f *testing.F) {
	f.Add(smartLog(0, 300, 1))
	f.Fuzz(func(t *testing.T, log []byte) {
		s, err := ParseSmart(log)
		if err == nil && (s.Temperature < -60 || s.Temperature > 150 || s.Used < 0 || s.Used > 255) {
			t.Errorf("%+v", s)
		}
	})
}

func TestWearIsAskedForSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "pi5-nvme", Config{})
		r.keeps("nvme0", smartLog(0, 291, 7))
		n, _, _ := r.facts(t, 15*time.Minute, func(at time.Duration) {
			if at == time.Minute {
				r.keeps("nvme0", smartLog(0, 291, 8))
			}
			if at == 11*time.Minute {
				r.keeps("nvme0", smartLog(0, 291, 9))
			}
		})
		want := []drivers.Drive{{Name: "nvme0", Temperature: new(drivers.Celsius(17.85)), Wear: new(drivers.Percent(8))}}
		if diff := cmp.Diff(want, n.Drives); diff != "" {
			t.Error(diff)
		}
	})
}

func TestADriveThatOnlyItsLogTellsOfHasATemperatureAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "pi5-nvme", Config{})
		for _, dir := range named(files{root: r.root}.hwmons(), "nvme") {
			if err := os.RemoveAll(filepath.Join(r.root, dir.dir)); err != nil {
				t.Fatal(err)
			}
		}
		r.keeps("nvme0", smartLog(1, 310, 7))
		n, _, _ := r.facts(t, 5*time.Minute, nil)
		want := []drivers.Drive{{Name: "nvme0", Temperature: new(drivers.Celsius(37)), Wear: new(drivers.Percent(7)), Failing: []string{"its spare is low"}}}
		if diff := cmp.Diff(want, n.Drives); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAFanIsStalledOnlyWhereItIsHot(t *testing.T) {
	rpm, duty := new(0.0), new(drivers.Percent(60))
	for _, c := range []struct {
		name string
		fan  drivers.Fan
		heat *drivers.Celsius
		want drivers.FanState
	}{
		{"runs", drivers.Fan{RPM: new(900.0), Duty: duty}, nil, drivers.FanRunning},
		{"off", drivers.Fan{RPM: rpm, Duty: new(drivers.Percent(0))}, new(drivers.Celsius(85)), drivers.FanOff},
		{"0 rpm, cool", drivers.Fan{RPM: rpm, Duty: duty}, new(drivers.Celsius(60)), drivers.FanUnknown},
		{"0 rpm, hot", drivers.Fan{RPM: rpm, Duty: duty}, new(drivers.Celsius(80)), drivers.FanStalled},
		{"no tachometer", drivers.Fan{Duty: duty}, new(drivers.Celsius(90)), drivers.FanUnknown},
		{"0 rpm, nothing else known", drivers.Fan{RPM: rpm}, nil, drivers.FanUnknown},
	} {
		if got := fanState(c.fan, c.heat); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

const pwmTree = `sys/devices/platform/axi/1f0009c000.pwm/pwm/pwmchip*/npwm: 4
sys/devices/platform/axi/1f00098000.pwm/pwm/pwmchip*/npwm: 4
sys/devices/platform/axi/1f00098000.pwm/pwm/pwmchip*/pwm2/enable: 0
sys/devices/platform/axi/1f00098000.pwm/pwm/pwmchip*/pwm2/period: 0
sys/devices/platform/axi/1f00098000.pwm/pwm/pwmchip*/pwm2/duty_cycle: 0
`

func TestAFanIsDrivenWhileTheAgentRunsAndLeftAtFullSpeed(t *testing.T) {
	for _, inverted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, "pi4", Config{Fans: []FanConfig{{Name: "rear", Device: "1f00098000.pwm", Channel: 2, Duty: 40, Inverted: inverted}}})
			boardtest.Grow(t, r.root, pwmTree)
			var during string
			read := func() string {
				data, err := os.ReadFile(boardtest.Find(t, r.root, "sys/devices/platform/axi/1f00098000.pwm/pwm/pwmchip*/pwm2/duty_cycle"))
				if err != nil {
					t.Fatal(err)
				}
				return strings.TrimSpace(string(data))
			}
			_, _, fans := r.facts(t, 5*time.Second, func(time.Duration) { during = read() })
			want, full := "16000", "40000"
			if inverted {
				want, full = "24000", "0"
			}
			if during != want || read() != full {
				t.Errorf("inverted %v: %s while it ran, %s after", inverted, during, read())
			}
			if d := fans["rear"].Duty; d == nil || *d != 40 {
				t.Errorf("%+v; log %s", fans, r.log.String())
			}
		})
	}
}

func TestAFanThatIsNotThereIsLoggedOnceWithWhatIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "pi4", Config{Fans: []FanConfig{{Name: "rear", Device: "fe20c000.pwm", Duty: 40}}})
		_, _, fans := r.facts(t, time.Minute, nil)
		if len(fans) != 0 || strings.Count(r.log.String(), "is dtoverlay=pwm set?") != 2 { // of driving it, and of reading it
			t.Errorf("%v; %s", fans, r.log.String())
		}
	})
}

func TestTheGovernorsFanIsNeverWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "pi5", Config{})
		before := stamps(t, r.root)
		r.facts(t, time.Minute, nil)
		if diff := cmp.Diff(before, stamps(t, r.root)); diff != "" {
			t.Errorf("a board that is only read was written: %s", diff)
		}
	})
}

// stamps are the times at which each file of a tree was written last.
func stamps(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			all[path] = fmt.Sprint(info.ModTime().UnixNano(), info.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// kernelClock is the double of a clock's folder: it does what drivers/rtc/sysfs.c
// of Linux does.
type kernelClock struct {
	now    int64
	alarm  int64 // 0: not armed
	adrift int64 // what the hardware makes of an alarm is off by so much
	stuck  bool  // disarming does nothing
}

func (k *kernelClock) Read(name string) (string, error) {
	switch {
	case name == "since_epoch":
		return fmt.Sprint(k.now), nil
	case name == "wakealarm" && k.alarm == 0:
		return "", nil
	case name == "wakealarm":
		return fmt.Sprint(k.alarm), nil
	}
	return "", os.ErrNotExist
}

func (k *kernelClock) Write(name, text string) error {
	relative := strings.HasPrefix(text, "+")
	var n int64
	if _, err := fmt.Sscanf(strings.TrimPrefix(text, "+"), "%d", &n); err != nil || name != "wakealarm" {
		return errors.New("invalid argument")
	}
	if relative {
		n += k.now
	}
	switch {
	case n > k.now && k.alarm > 0:
		return errors.New("device or resource busy")
	case n > k.now:
		k.alarm = n + k.adrift
	case !k.stuck:
		k.alarm = 0
	}
	k.now++ // the clock goes on
	return nil
}

func TestAnAlarmIsSetInPlaceOfAnotherAndReadBack(t *testing.T) {
	k := &kernelClock{now: 1764080000}
	r := &RTC{Name: "rpi-rtc soc:rpi_rtc", files: k}
	for _, after := range []time.Duration{10 * time.Minute, 4 * time.Hour} {
		if err := r.SetAlarm(after); err != nil {
			t.Fatal(err)
		}
		got, armed, err := r.Alarm()
		if err != nil || !armed || got < after-2*time.Second || got > after+2*time.Second {
			t.Errorf("%v, %v, %v after %v", got, armed, err, after)
		}
	}
	if err := r.ClearAlarm(); err != nil || k.alarm != 0 {
		t.Errorf("%v, %d", err, k.alarm)
	}
	if _, armed, err := r.Alarm(); armed || err != nil {
		t.Errorf("%v, %v", armed, err)
	}
	if err := r.ClearAlarm(); err != nil {
		t.Errorf("clearing what is clear: %v", err)
	}
}

func TestAnAlarmThatDoesNotReadBackIsAnError(t *testing.T) {
	for _, c := range []struct {
		name  string
		clock kernelClock
		after time.Duration
		want  string
	}{
		{"another time", kernelClock{now: 1000, adrift: 60}, 10 * time.Minute, "the alarm of rpi-rtc was set to 10m0s from now, and reads back as 10m59s"},
		{"too soon", kernelClock{now: 1000}, 10 * time.Second, "set the alarm of rpi-rtc: want 30s or more (got 10s): the machine must be off when it rings"},
		{"one that cannot be cleared", kernelClock{now: 1000, alarm: 5000, stuck: true}, time.Minute, `clear the alarm of rpi-rtc: it still reads "5000" (<nil>)`},
	} {
		r := &RTC{Name: "rpi-rtc", files: &c.clock}
		if err := r.SetAlarm(c.after); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestOnlyAClockThatStartsTheBoardCounts(t *testing.T) {
	hat := "sys/class/rtc/rtc0/name: rtc-ds1307 1-0068\nsys/class/rtc/rtc0/wakealarm: \n"
	for _, c := range []struct {
		name, tree, want string
	}{
		{"a Pi 5's own", "proc/device-tree/model: Raspberry Pi 5 Model B Rev 1.0\nsys/class/rtc/rtc0/name: rpi-rtc soc:rpi_rtc\nsys/class/rtc/rtc0/wakealarm: \n", "rpi-rtc soc:rpi_rtc"},
		{"one on a HAT", "proc/device-tree/model: Raspberry Pi 4 Model B Rev 1.5\n" + hat, ""},
		{"a PC's", "sys/class/rtc/rtc0/name: rtc_cmos 00:01\nsys/class/rtc/rtc0/wakealarm: \n", "rtc_cmos 00:01"},
		{"one without an alarm", "sys/class/rtc/rtc0/name: rtc_cmos 00:01\n", ""},
		{"none", "", ""},
	} {
		r, err := FindRTC(boardtest.Tree(t, c.tree))
		if c.want == "" {
			if !errors.Is(err, drivers.ErrNoDevice) {
				t.Errorf("%s: %+v, %v", c.name, r, err)
			}
			continue
		}
		if err != nil || r.Name != c.want {
			t.Errorf("%s: %+v, %v", c.name, r, err)
		}
	}
}

func TestAClocksFolderIsWrittenAsSysfsWants(t *testing.T) {
	dir := t.TempDir()
	d := clockDir(dir)
	if err := d.Write("wakealarm", "+60"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there was made: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "wakealarm"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := d.Write("wakealarm", "+60"); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Read("wakealarm"); err != nil || got != "+60" {
		t.Errorf("%q, %v", got, err)
	}
}
