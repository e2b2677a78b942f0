package vups

import (
	"io/fs"
	"path"
	"strings"
)

// Captures lists the captured devices of which NUT's reading is stored.
func Captures() []string {
	files, _ := fs.Glob(captured, "testdata/*.upsc")
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(path.Base(f), ".upsc"))
	}
	return names
}

// NUT is what NUT 2.8.0 read when a virtual device served it the captured bytes,
// without what it says of itself.
func NUT(name string) map[string]string {
	data, _ := captured.ReadFile("testdata/" + name + ".upsc")
	all := map[string]string{}
	for line := range strings.Lines(string(data)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && !strings.HasPrefix(line, "#") && !strings.HasPrefix(key, "driver.") {
			all[key] = strings.TrimSpace(value)
		}
	}
	return all
}

// Differs is why NUT's reading of a variable is not ours; empty if it has to be.
func Differs(name, variable string) string {
	const (
		setting = "NUT's own setting, not the device's"
		outlets = "outlets are not read one by one: none of them is switched alone"
		date    = "NUT takes the maker's name for a date"
	)
	if strings.HasPrefix(variable, "outlet.") {
		return outlets
	}
	for _, d := range []struct{ name, variable, why string }{
		{"", "ups.delay.shutdown", setting},
		{"", "ups.delay.start", setting},
		{"", "ups.type", "NUT's name for the kind of converter, which decides nothing here"},
		{"0764-0501-CP1300EPFCLCD", "battery.mfr.date", date},
		{"0764-0501-CP1500PFCLCD", "battery.mfr.date", date},
		{"0764-0601-CP1000PFCLCDa", "battery.mfr.date", date},
		{"0463-ffff-Eaton-3S700", "device.model", "NUT adds the power to the name"},
		{"0463-ffff-Eaton-3S700", "ups.model", "NUT adds the power to the name"},
		{"0463-ffff-Eaton-3S700", "ups.realpower", "NUT computes it from load and rating"},
		{"0463-ffff-Eaton-3S700", "ups.status", "the bit Charging is set, and NUT leaves it out"},
		{"09ae-3016-TrippLite", "ups.status", "the status was not captured, and NUT calls that on battery"},
	} {
		if (d.name == "" || d.name == name) && d.variable == variable {
			return d.why
		}
	}
	return ""
}
