package usbhid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/hwtest/vups"
)

// TestReadingsAreNUTs compares with what NUT 2.8.0 read when a device served it
// the very same bytes.
func TestReadingsAreNUTs(t *testing.T) {
	if len(vups.Captures()) < 7 {
		t.Fatalf("captured readings: %v", vups.Captures())
	}
	for _, name := range vups.Captures() {
		t.Run(name, func(t *testing.T) {
			c := captured(t, name)
			c.info.Serial, c.texts = "CXEJQ2000123", map[uint8]string{1: c.info.Model, 2: "CXEJQ2000123", 3: "CPS", 4: "PbAcid"}
			ours, _ := variables(t, c, nil)
			for key, want := range vups.NUT(name) {
				why := vups.Differs(name, key)
				if got := ours[key]; same(got, want) || want == "" && got == nil {
					continue
				} else if why == "" {
					t.Errorf("%s = %v, NUT says %s", key, got, want)
				} else {
					t.Logf("%s = %v, NUT says %s: %s", key, got, want, why)
				}
			}
		})
	}
}

// same compares to the tenth that NUT prints.
func same(got any, want string) bool {
	n, err := strconv.ParseFloat(want, 64)
	if g, ok := got.(float64); ok && err == nil {
		return math.Abs(g-n) <= 0.051
	}
	return fmt.Sprint(got) == want
}

func TestReadingOfTheNearestSibling(t *testing.T) {
	c := captured(t, "0764-0501-VP1600ELCD")
	c.texts = map[uint8]string{4: "PbAcid ", 5: "BF01912D7"}
	s, err := newSession(c, c.info, nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.readAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if u.Status() != "OL" || *u.Charge != 100 || *u.Runtime != 28110*time.Second || *u.BatteryVoltage != 26.6 ||
		*u.TimerShutdown != -time.Minute || *u.ShutdownPending || *u.Trim || u.BatteryType != "PbAcid" || u.Firmware != "BF01912D7" {
		t.Errorf("read %v", u.Variables())
	}
}

func TestValuesThatCannotBeTrueAreAbsent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		id     uint8
		report string
		absent string
	}{
		{"battery of 402 V", 0x20, "20 64 b4 0f", "battery.voltage"},
		{"battery at a tenth of nominal", 0x20, "20 64 18 00", "battery.voltage"},
		{"nominal voltage of 0", 0x88, "88 00 00", "input.voltage.nominal"},
		{"beeper state that is none", 0x80, "80 09", "ups.beeper.status"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := captured(t, "0764-0501-VP1600ELCD")
			c.features[tt.id] = unhex(t, tt.report)
			s, err := newSession(c, c.info, nil)
			if err != nil {
				t.Fatal(err)
			}
			u, err := s.readAll(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range u.Variables() {
				if v.Name == tt.absent {
					t.Errorf("%s = %v, want it absent", v.Name, v.Value)
				}
			}
		})
	}
}

func TestFullBatteryIsAtMostAHundredPercent(t *testing.T) {
	c := captured(t, "0764-0501-VP1600ELCD")
	c.features[0x20] = []byte{0x20, 102, 0x0a, 0x01}
	s, _ := newSession(c, c.info, nil)
	if u, err := s.readAll(t.Context()); err != nil || *u.Charge != 100 {
		t.Errorf("charge = %v, %v, want 100 %%", u.Charge, err)
	}
}

func TestSerialNumbersThatTellNoUnitsApartAreNone(t *testing.T) {
	for in, want := range map[string]string{"000000000000": "", "none": "", "None": "", "  ": "", " BF 600 ": "BF 600", "A0\x00\x00": "A0"} {
		if got := realSerial(in); got != want {
			t.Errorf("realSerial(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDumpReadsBackAndHidesTheSerial(t *testing.T) {
	f := newFake(t, "0764-0501-VP1600ELCD")
	f.device.info.Serial = "CXEJQ2000123"
	f.device.texts = map[uint8]string{4: "PbAcid", 5: "CXEJQ2000123"}
	d, _ := f.Open(f.device.info)
	var out bytes.Buffer
	if err := dump(t.Context(), d, f.device.info, &out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "CXEJQ") {
		t.Errorf("the serial number is in the dump:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "# Feature report 0x1d: report 0x1d was not captured") {
		t.Errorf("the report that failed is not in the dump:\n%s", out.String())
	}
	u, err := ReadDump(&out)
	if err != nil {
		t.Fatal(err)
	}
	if u.Status() != "OL" || *u.Charge != 100 || u.Model != "VP1600ELCD" || u.BatteryType != "PbAcid" || u.Serial != "" {
		t.Errorf("read back %v", u.Variables())
	}
}

func TestDumpOfADamagedDescriptorIsWritten(t *testing.T) {
	f := newFake(t, "0764-0501-VP1600ELCD-CORRUPTED")
	d, _ := f.Open(f.device.info)
	var out bytes.Buffer
	if err := dump(t.Context(), d, f.device.info, &out); err != nil || !strings.Contains(out.String(), "descriptor 81 06 00 22 00 00 30 02") {
		t.Errorf("dump = %v:\n%s", err, out.String())
	}
	if _, err := ReadDump(&out); !errors.Is(err, ErrDescriptor) {
		t.Errorf("ReadDump = %v, want %v", err, ErrDescriptor)
	}
}

func TestDumpThatIsNoneIsRefused(t *testing.T) {
	for in, want := range map[string]string{
		"hello":                              `read the dump: line 1: want "lastwatt-ups-dump 1" (got "hello")`,
		dumpHeader + "\nid CPS:0501":         `read the dump: line 2: id: want four hexadecimal digits, such as "0764" (got "CPS")`,
		dumpHeader + "\n\ndescriptor 05 8":   `read the dump: line 3: want bytes in hexadecimal (got "05 8")`,
		dumpHeader + "\nfeature zz 00":       `read the dump: line 2: report id: want two hexadecimal digits (got "zz")`,
		dumpHeader + "\ntext 300 a":          `read the dump: line 2: text index: want 0 to 255 (got "300")`,
		dumpHeader + "\n# note\nsurprise ab": `read the dump: line 3: unknown word "surprise"`,
	} {
		if _, err := ReadDump(strings.NewReader(in)); err == nil || err.Error() != want {
			t.Errorf("ReadDump(%q) = %v, want %q", in, err, want)
		}
	}
}

// usbTree writes a sysfs tree of files.
func usbTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, data := range files {
		p := filepath.Join(root, "bus/usb/devices", name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestScanFindsPowerDevicesAndNoKeyboards(t *testing.T) {
	root := usbTree(t, map[string]string{
		"1-1/idVendor": "0764\n", "1-1/idProduct": "0501\n", "1-1/product": "BR1200ELCD\n", "1-1/manufacturer": "CPS\n", "1-1/serial": "000000000000\n",
		"1-1:1.0/bInterfaceClass":                        "03\n",
		"1-1:1.0/0003:0764:0501.0001/report_descriptor":  "\x05\x84\x09\x04",
		"1-1:1.0/0003:0764:0501.0001/hidraw/hidraw3/dev": "241:3\n",
		"1-2/idVendor":            "046d\n",
		"1-2:1.0/bInterfaceClass": "03\n",
		"1-2:1.0/0003:046D:C31C.0002/report_descriptor":  "\x05\x01\x09\x06",
		"1-2:1.0/0003:046D:C31C.0002/hidraw/hidraw4/dev": "241:4\n",
		"1-3.2/idVendor": "051d\n", "1-3.2/idProduct": "0002\n", "1-3.2/busnum": "1\n", "1-3.2/devnum": "7\n",
		"1-3.2:1.0/bInterfaceClass": "03\n",
		"1-5/idVendor":              "051d\n", "1-5/idProduct": "0002\n", "1-5:1.0/bInterfaceClass": "03\n",
		"1-4/idVendor":            "0764\n",
		"1-4:1.0/bInterfaceClass": "08\n",
	})
	if err := os.Symlink("../../../../bus/usb/drivers/usbfs", filepath.Join(root, "bus/usb/devices/1-3.2:1.0/driver")); err != nil {
		t.Fatal(err)
	}
	found, err := hidrawBus{sys: root, dev: "/dev"}.Scan()
	if err != nil || len(found) != 3 {
		t.Fatalf("Scan = %v, %v, want three devices", found, err)
	}
	if got := found[0]; got.String() != "0764:0501 CPS BR1200ELCD at 1-1" || got.Serial != "" || got.Node != "/dev/hidraw3" || got.Err != nil {
		t.Errorf("first device = %+v", got)
	}
	for i, want := range map[int]string{
		1: "051d:0002 at 1-3.2 is in use by a program through libusb (nut-driver?); stop that program",
		2: "051d:0002 at 1-5: it has no hidraw file, because its report descriptor came damaged; unplug its USB cable, wait 5 s and plug it in again",
	} {
		if got := found[i]; got.Err == nil || got.Err.Error() != want {
			t.Errorf("device %d = %+v, want the error %q", i, got, want)
		}
	}
	if got := usbNode(root, "/dev", "1-3.2"); got != "/dev/bus/usb/001/007" {
		t.Errorf("usbNode = %s", got)
	}
}

func TestUdevRulesNameTheVendors(t *testing.T) {
	data, err := os.ReadFile("../../configs/udev/60-lastwatt.rules")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vendors() {
		if n := strings.Count(string(data), fmt.Sprintf(`=="%04x", GROUP="lastwatt", MODE="0660"`, v.id)); n != 2 {
			t.Errorf("vendor %04x has %d rules, want one for usb and one for hidraw", v.id, n)
		}
	}
	if got, want := strings.Count(string(data), "GROUP="), 2*len(vendors()); got != want {
		t.Errorf("%d rules, want %d", got, want)
	}
}

func TestAbsentDeviceIsSaidSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := hidrawBus{sys: t.TempDir(), dev: "/dev"}
	if _, err := (&finder{bus: b}).open(ctx); !errors.Is(err, drivers.ErrNoDevice) {
		t.Errorf("open = %v, want %v", err, drivers.ErrNoDevice)
	}
	cancel()
	if _, err := List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("List = %v, want context.Canceled", err)
	}
}
