package mailbox

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastwatt/drivers"
)

func recording(t testing.TB, board string) Recorded {
	t.Helper()
	data, err := os.ReadFile("../testdata/" + board + ".mailbox")
	if err != nil {
		t.Fatal(err)
	}
	return ParseRecording(string(data))
}

// The two numbers are what a C compiler makes of _IOWR(100, 0, char *).
func TestTheRequestNumberHasThePointersSizeInIt(t *testing.T) {
	if got := requestNumber(8); got != 0xC0086400 {
		t.Errorf("64 bit: %#x", got)
	}
	if got := requestNumber(4); got != 0xC0046400 {
		t.Errorf("32 bit: %#x", got)
	}
}

func TestAQuestionHasTheLayoutThatTheFirmwareWants(t *testing.T) {
	msg, err := encode("get_throttled")
	if err != nil {
		t.Fatal(err)
	}
	word := func(i int) uint32 { return binary.NativeEndian.Uint32(msg[4*i:]) }
	if len(msg) != 4*(4096/4+7) || word(0) != uint32(len(msg)) || word(1) != 0 || word(2) != 0x00030080 || word(3) != 4096 || word(4) != 0 || word(5) != 0 {
		t.Errorf("%d bytes, head %x", len(msg), msg[:24])
	}
	if got := string(msg[24:38]); got != "get_throttled\x00" {
		t.Errorf("command %q", got)
	}
	if got := word(len(msg)/4 - 1); got != 0 {
		t.Errorf("end tag %#x", got)
	}
	for _, bad := range []string{"", "a\x00b", strings.Repeat("x", 4096)} {
		if _, err := encode(bad); err == nil {
			t.Errorf("encode(%.10q) = nil", bad)
		}
	}
}

func TestAnAnswerIsTakenFromBehindTheHead(t *testing.T) {
	msg, _ := encode("get_throttled")
	copy(msg[24:], "throttled=0x50005\x00left over")
	if got, err := decode("get_throttled", msg); err != nil || got != "throttled=0x50005" {
		t.Errorf("%q, %v", got, err)
	}
	binary.NativeEndian.PutUint32(msg[20:], 3)
	if _, err := decode("get_throttled", msg); err == nil || err.Error() != `ask the firmware "get_throttled": it says "throttled=0x50005" (code 3)` {
		t.Error(err)
	}
	if _, err := decode("x", msg[:10]); err == nil || !strings.Contains(err.Error(), "10 bytes") {
		t.Error(err)
	}
}

func TestACommandThatTheFirmwareLacksIsKnownAsThat(t *testing.T) {
	for _, r := range []Recorded{recording(t, "pi4"), {}} {
		if _, err := r.Ask("pmic_read_adc"); !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
	}
	if _, err := Recorded(nil).Ask("get_throttled"); !errors.Is(err, drivers.ErrNoDevice) {
		t.Error(err)
	}
}

func TestThrottleBitsAreNowAndBefore(t *testing.T) {
	got, err := ParseThrottled("throttled=0x50005\n")
	if err != nil {
		t.Fatal(err)
	}
	for flag, name := range ThrottleFlags() {
		want := name == "under-voltage" || name == "throttled"
		if got.Now(flag) != want || got.Was(flag) != want {
			t.Errorf("%s: now %v, was %v", name, got.Now(flag), got.Was(flag))
		}
	}
	for _, bad := range []string{"", "0x0", "throttled=", "throttled=0xzz", "throttled=0x1ffffffff"} {
		if v, err := ParseThrottled(bad); err == nil {
			t.Errorf("%q = %v", bad, v)
		}
	}
}

func TestATemperatureIsRead(t *testing.T) {
	if got, err := ParseTemperature("temp=42.9'C"); err != nil || got != 42.9 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "temp='C", "temp=NaN'C", "temp=900'C", "42.9"} {
		if v, err := ParseTemperature(bad); err == nil {
			t.Errorf("%q = %v", bad, v)
		}
	}
}

func TestTheRailsOfAPi5AreRead(t *testing.T) {
	answer, err := recording(t, "pi5").Ask("pmic_read_adc")
	if err != nil {
		t.Fatal(err)
	}
	rails, err := ParseRails(answer)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	both := 0
	for _, r := range rails {
		names = append(names, r.Name)
		if r.Volts != nil && r.Amps != nil {
			both++
		}
		switch r.Name {
		case "VDD_CORE":
			if *r.Volts != 0.8974594 || *r.Amps != 10.87674 {
				t.Errorf("VDD_CORE: %v, %v", *r.Volts, *r.Amps)
			}
		case "EXT5V":
			if *r.Volts != 5.06788 || r.Amps != nil {
				t.Errorf("EXT5V: %v", *r.Volts)
			}
		}
	}
	want := []string{"3V7_WL_SW", "3V3_SYS", "1V8_SYS", "DDR_VDD2", "DDR_VDDQ", "1V1_SYS", "0V8_SW", "VDD_CORE", "3V3_DAC", "3V3_ADC", "0V8_AON", "HDMI", "EXT5V", "BATT"}
	if diff := cmp.Diff(want, names); diff != "" || both != 12 {
		t.Errorf("%d rails with both; %s", both, diff)
	}
	if _, err := ParseRails("no rails here"); err == nil || !strings.Contains(err.Error(), "no rail") {
		t.Error(err)
	}
}

func TestASettingCountsOnlyWhereItIsAlwaysInForce(t *testing.T) {
	answer, err := recording(t, "pi4").Ask("bootloader_config")
	if err != nil {
		t.Fatal(err)
	}
	settings, uncertain := ParseSettings(answer)
	want := map[string]string{"BOOT_UART": "0", "WAKE_ON_GPIO": "1", "POWER_OFF_ON_HALT": "0"}
	if diff := cmp.Diff(want, settings); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"BOOT_ORDER"}, uncertain); diff != "" {
		t.Error(diff)
	}
	settings, uncertain = ParseSettings("# A=1\nPOWER_OFF_ON_HALT=0\nPOWER_OFF_ON_HALT = 1\n[none]\nFREEZE_VERSION=0\n")
	if settings["POWER_OFF_ON_HALT"] != "1" || len(settings) != 1 || uncertain != nil {
		t.Errorf("%v, %v", settings, uncertain)
	}
}

func TestAMachineWithoutAMailboxSaysSo(t *testing.T) {
	_, err := Device{Root: t.TempDir()}.Ask("get_throttled")
	if !errors.Is(err, drivers.ErrNoDevice) || !strings.Contains(err.Error(), `ask the firmware "get_throttled"`) {
		t.Error(err)
	}
}

func TestAFileThatIsNoMailboxIsAnErrorOfItsOwn(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "dev/vcio"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Device{Root: root}.Ask("get_throttled")
	if err == nil || errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

func TestAMissingPermissionNamesTheFileAndTheRemedy(t *testing.T) {
	err := errPermission("/dev/vcio")
	if !errors.Is(err, drivers.ErrPermission) || !strings.Contains(err.Error(), "group video") || !strings.Contains(err.Error(), `KERNEL=="vcio"`) {
		t.Error(err)
	}
}

func FuzzAnswers(f *testing.F) {
	for _, board := range []string{"pi5", "pi4", "pizerow"} {
		for command, answer := range recording(f, board) {
			f.Add(command, answer)
		}
	}
	f.Fuzz(func(t *testing.T, command, answer string) {
		if v, err := ParseTemperature(answer); err == nil && !(v >= -60 && v <= 150) {
			t.Errorf("%q = %v", answer, v)
		}
		rails, err := ParseRails(answer)
		seen := map[string]bool{}
		for _, r := range rails {
			if err != nil || r.Name == "" || seen[r.Name] || r.Volts == nil && r.Amps == nil || r.Volts != nil && !(*r.Volts >= 0 && *r.Volts <= 30) {
				t.Errorf("%q gives %+v, %v", answer, r, err)
			}
			seen[r.Name] = true
		}
		settings, _ := ParseSettings(answer)
		for k, v := range settings {
			if k == "" || strings.ContainsAny(k+v, "\n") {
				t.Errorf("%q gives %q=%q", answer, k, v)
			}
		}
		if _, err := ParseThrottled(answer); err == nil && !strings.Contains(answer, "throttled=") {
			t.Errorf("%q was taken", answer)
		}
		if got, err := (Recorded{command: answer}).Ask(command); err == nil && strings.ContainsRune(got, 0) {
			t.Errorf("%q has a NUL", got)
		}
		ParseRecording(answer)
	})
}
