package usbhid

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lastwatt/drivers"
)

// variables reads a device once and returns what it says, by NUT's names.
func variables(t *testing.T, c *replay, scales map[string]float64) (map[string]any, drivers.UPS) {
	t.Helper()
	s, err := newSession(c, c.info, scales)
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.readAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	for _, v := range u.Variables() {
		all[v.Name] = v.Value
	}
	return all, u
}

func TestQuirksAreMended(t *testing.T) {
	const cps, apc = "0764-0501-VP1600ELCD", "051d-0002-BK650M2-CH"
	for _, c := range []struct {
		name, device, report, variable, want string // want "" is absent
		warning                              string
	}{
		{"battery at 1.5 times nominal", cps, "20 64 9d 01", "battery.voltage", "27.53", ""},
		{"battery without its exponent", cps, "20 64 0a 0a", "battery.voltage", "25.7", ""},
		{"battery of 402 V", cps, "20 64 b4 0f", "battery.voltage", "", "battery.voltage: the battery's voltage cannot be true: no battery of this nominal voltage has it (it says 402)"},
		{"nominal battery of 402 V", cps, "3f b4 0f", "battery.voltage.nominal", "", "battery.voltage.nominal: the battery's nominal voltage cannot be true (it says 402)"},
		{"battery at a tenth", cps, "20 64 18 00", "battery.voltage", "", "battery.voltage: the battery's voltage cannot be true"},
		{"a hard-used battery", cps, "20 64 c8 00", "battery.voltage", "20", ""},
		{"mains of 25 V", cps, "23 19 00 ea 00", "input.voltage", "", "input.voltage: the input voltage cannot be true while there is mains (it says 25)"},
		{"output of 23 V", cps, "23 ea 00 17 00", "output.voltage", "", "output.voltage: the output voltage is that of no country's mains (it says 23)"},
		{"outlets off", cps, "23 ea 00 00 00", "output.voltage", "0", ""},
		{"rating of 0", cps, "88 00 00", "input.voltage.nominal", "", ""},
		{"charge of 102", cps, "20 66 0a 01", "battery.charge", "100", ""},
		{"beeper state that is none", cps, "80 09", "ups.beeper.status", "", ""},
		{"date that is none", apc, "20 00 00", "battery.mfr.date", "", ""},
		{"date", apc, "20 21 2a", "battery.mfr.date", "2001/01/01", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := captured(t, c.device)
			wire := unhex(t, c.report)
			d.features[wire[0]] = wire
			got, u := variables(t, d, nil)
			text := ""
			if v, ok := got[c.variable]; ok {
				text = fmt.Sprint(v)
				if f, ok := v.(float64); ok {
					text = strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", f), "0"), ".")
				}
			}
			if text != c.want {
				t.Errorf("%s = %q, want %q", c.variable, text, c.want)
			}
			if warnings := strings.Join(u.Warnings, "; "); !strings.Contains(warnings, c.warning) || c.warning == "" && warnings != "" {
				t.Errorf("warnings %q, want %q", warnings, c.warning)
			}
		})
	}
}

func TestAScaleThatWasChosenHolds(t *testing.T) {
	f := captured(t, "0764-0501-VP1600ELCD")
	s, err := newSession(f, f.info, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ tenths, want float64 }{{413, 27.5}, {378, 25.2}, {300, 20}} {
		f.features[0x20] = []byte{0x20, 100, byte(c.tenths), byte(int(c.tenths) >> 8)}
		u, err := s.readAll(t.Context())
		if err != nil || u.BatteryVoltage == nil || float64(*u.BatteryVoltage) < c.want-0.1 || float64(*u.BatteryVoltage) > c.want+0.1 {
			t.Errorf("%g tenths are %v, %v; want %g V", c.tenths, u.BatteryVoltage, err, c.want)
		}
	}
}

func TestTheConfigurationOverridesAScale(t *testing.T) {
	d := captured(t, "0764-0501-VP1600ELCD")
	if got, _ := variables(t, d, map[string]float64{"battery.voltage": 0.9}); same(got["battery.voltage"], "23.9") == false {
		t.Errorf("battery.voltage = %v, want 26.6 V times 0.9", got["battery.voltage"])
	}
}

func TestAValueBeyondTheDeclaredLimitsIsGivenAndMarked(t *testing.T) {
	d := captured(t, "0764-0501-CP1500PFCLCD") // its limits are 136 to 142 V
	got, u := variables(t, d, nil)
	if got["output.voltage"] != 121.0 || strings.Join(u.OutOfRange, " ") != "output.voltage" {
		t.Errorf("output.voltage = %v, out of range: %v; want 121, and it alone", got["output.voltage"], u.OutOfRange)
	}
}

func TestValuesSayHowOldTheyAre(t *testing.T) {
	d := captured(t, "0764-0501-VP1600ELCD")
	s, err := newSession(d, d.info, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.readAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.snapshot.samples[beeper].at = time.Now().Add(-20 * time.Second)
	if u := s.snapshot.ups(time.Now()); len(u.Ages) != 1 || u.Ages["ups.beeper.status"].Round(time.Second) != 20*time.Second {
		t.Errorf("ages = %v, want the beeper's 20 s alone", u.Ages)
	}
}

func TestEveryQuirkSaysWhatItIs(t *testing.T) {
	for i, k := range quirks() {
		if len(k.on) == 0 || k.what == "" || k.seen == "" || k.fits == nil && k.saysNothing == nil {
			t.Errorf("row %d (%s) is not whole", i, k.what)
		}
	}
}
