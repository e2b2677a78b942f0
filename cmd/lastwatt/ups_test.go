package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/usbhid"
)

// dumpOf writes a dump of a captured device, as lastwatt ups dump would.
func dumpOf(t *testing.T, name string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("lastwatt-ups-dump 1\ntransport hidraw\nid 0764:0501\nmaker CPS\nmodel VP1600ELCD\nserial (masked)\ntext 4 PbAcid\n")
	for _, part := range []struct{ file, word string }{{name + ".hex", "descriptor"}, {name + ".reports", "feature"}} {
		data, err := os.ReadFile(filepath.Join("../../hwtest/vups/testdata", part.file))
		if err != nil && part.word == "descriptor" {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			bytes, err := hex.DecodeString(strings.Join(strings.Fields(line), ""))
			switch {
			case err != nil || len(bytes) == 0:
			case part.word == "feature":
				fmt.Fprintf(&b, "feature %02x % x\n", bytes[0], bytes)
			default:
				fmt.Fprintf(&b, "descriptor % x\n", bytes)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "ups.dump")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestADumpIsReadLikeTheDevice(t *testing.T) {
	status, out, errs := run1(t, "ups", "read", "--json", "--from", dumpOf(t, "0764-0501-VP1600ELCD"))
	if status != exitOK {
		t.Fatalf("status %d: %s", status, errs)
	}
	var all map[string]struct {
		Value any    `json:"value"`
		Unit  string `json:"unit"`
		Age   *int64 `json:"age_ms"`
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"ups.status": "OL ", "battery.voltage": "26.6 V", "battery.type": "PbAcid ", "ups.vendorid": "0764 ", "battery.runtime": "28110 s"} {
		v := all[name]
		if got := fmt.Sprint(v.Value, " ", v.Unit); got != want || v.Age == nil {
			t.Errorf("%s = %q (age %v), want %q", name, got, v.Age, want)
		}
	}
	if _, there := all["device.serial"]; there {
		t.Error("the dump has a serial number")
	}
}

func TestADumpOfADamagedDescriptorIsNoReading(t *testing.T) {
	status, out, errs := run1(t, "ups", "read", "--from", dumpOf(t, "0764-0501-VP1600ELCD-CORRUPTED"))
	if status != exitFailed || out != "" || !strings.Contains(errs, "unplug the UPS's USB cable, wait 5 s and plug it in again") {
		t.Errorf("status %d, output %q, error %q", status, out, errs)
	}
}

// The machine may be the rack's own, with its UPS.
func TestListShowsTheUPSesOfThisMachineOrSaysThatThereIsNone(t *testing.T) {
	found, err := usbhid.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status, out, errs := run1(t, "ups", "list")
	if len(found) == 0 && (status != exitAbsent || out != "" || !strings.Contains(errs, "none on this machine's USB")) {
		t.Errorf("there is none: status %d, output %q, error %q", status, out, errs)
	}
	if len(found) > 0 && (status != exitOK || !strings.Contains(out, found[0].Path)) {
		t.Errorf("there is one at %s: status %d, output %q, error %q", found[0].Path, status, out, errs)
	}
}

func TestWatchPrintsALineForEachChange(t *testing.T) {
	var out bytes.Buffer
	c, last := upsCall{env: env{out: &out}}, map[string]string{}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	c.changes(at, drivers.UPS{OnBattery: new(false), Charge: new(drivers.Percent(100))}, last)
	out.Reset()
	c.changes(at, drivers.UPS{OnBattery: new(true), Charge: new(drivers.Percent(100))}, last)
	c.changes(at, drivers.UPS{OnBattery: new(true)}, last)
	want := "03:04:05.006  ups.status                 OL -> OB\n03:04:05.006  battery.charge             100 % -> absent\n"
	if out.String() != want {
		t.Errorf("printed\n%swant\n%s", out.String(), want)
	}
}
