package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestModbusOnTheCommandLine(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"no verb", nil, exitUsage, `want scan, read, watch, switch or maps (got "")`},
		{"no address", []string{"read"}, exitUsage, `want "lastwatt modbus read ADDRESS --map MAP" (got [])`},
		{"no map", []string{"read", "/dev/ttyUSB9"}, exitFailed, "no map: say what device it is"},
		{"no port", []string{"read", "/dev/ttyUSB99", "--map", "pzem-004t"}, exitAbsent, "is it plugged in?"},
		{"no host", []string{"scan", "tcp://127.0.0.1:1"}, exitAbsent, "connection refused"},
		{"units that are none", []string{"scan", "tcp://127.0.0.1:1", "--from", "9", "--to", "3"}, exitFailed, "want units from 1 to 247 (got 9 to 3)"},
		{"a unit that is none", []string{"read", "tcp://127.0.0.1:1", "--map", "pzem-004t", "--unit", "-5"}, exitFailed, "unit: want 1 to 247, or 0 or 255 where a TCP device wants that (got -5)"},
		{"the maps", []string{"maps"}, exitOK, "pzem-004t            meter  Peacefair PZEM-004T v3"},
		{"one map", []string{"maps", "apc-smart-ups"}, exitOK, `equals: "12345678"`},
		{"a map that is none", []string{"maps", "toaster"}, exitUsage, `no map "toaster": have apc-smart-ups`},
		{"a relay that nobody was asked about", []string{"switch", "/dev/ttyUSB99", "1", "on", "--map", "waveshare-relay-8"}, exitRefused, "nobody to ask: say --yes if it is meant"},
		{"a relay of a meter", []string{"switch", "/dev/ttyUSB99", "1", "on", "--map", "pzem-004t", "--yes"}, exitUsage, "pzem-004t is a meter and has none"},
		{"a relay that is none", []string{"switch", "/dev/ttyUSB99", "9", "on", "--map", "waveshare-relay-8", "--yes"}, exitUsage, "relay: want 1 to 8 (got 9)"},
		{"neither on nor off", []string{"switch", "/dev/ttyUSB99", "1", "open", "--map", "waveshare-relay-8", "--yes"}, exitUsage, "switch ADDRESS RELAY on|off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, out, errs := run1(t, append([]string{"modbus"}, c.args...)...)
			if status != c.status || !strings.Contains(out+errs, c.want) {
				t.Errorf("status %d, want %d; output %q lacks %q", status, c.status, out+errs, c.want)
			}
		})
	}
}

func TestMapsAreWrittenAndNotOver(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "maps")
	if status, out, errs := run1(t, "modbus", "maps", "--out", dir); status != exitOK {
		t.Fatal(out, errs)
	}
	path := filepath.Join(dir, "pzem-004t.yaml")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, errs := run1(t, "modbus", "maps", "pzem-004t", "--out", dir)
	if text, _ := os.ReadFile(path); status != exitFailed || !strings.Contains(errs, "is there already") || string(text) != "mine" {
		t.Errorf("status %d, %s; the file is now %q", status, errs, text)
	}
	status, _, errs = run1(t, "modbus", "read", "/dev/ttyUSB99", "--map", filepath.Join(dir, "sdm120.yaml"))
	if status != exitAbsent {
		t.Errorf("a map that was written out does not load: %s", errs)
	}
}
