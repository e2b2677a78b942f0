package usbhid

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/ups.md")

// TestThePageOfModelsIsThatOfTheTables holds docs/ups.md to the tables of this
// package; "go test ./drivers/usbhid -run Page -update" writes it.
func TestThePageOfModelsIsThatOfTheTables(t *testing.T) {
	const path = "../../docs/ups.md"
	want := page()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is not what the tables say (%v): go test ./drivers/usbhid -run Page -update", path, err)
	}
}

func page() string {
	var b strings.Builder
	b.WriteString(`# UPSes on USB

This page is written from the tables of the driver: ` + "`go test ./drivers/usbhid -run Page -update`" + `.

The driver usbhid reads every UPS that speaks the USB class for HID power devices, whoever made it:
what a report means is taken from the descriptor that the device sends, and never from its number.
A device is refused whose descriptor came damaged, or says nothing of mains (ACPresent). Nothing here
has been tried on hardware: it was compared with what NUT reads, over a real USB stack that was served
the bytes that owners of these devices captured. The values on battery of the CyberPower are made, not
captured. If yours is not read right, the output of ` + "`lastwatt ups dump FILE`" + ` makes a good bug report.

UPSes that only speak a maker's own protocol (Megatec and its kin, older Tripp Lite, serial devices) are
not supported. Of Dell, HP and Belkin the udev rules know nothing, since they make keyboards too; their
power devices are read where the access is given by hand.

## Makers

| USB id | maker | known |
|---|---|---|
`)
	for _, v := range vendors() {
		known := v.known
		if known == "" {
			known = "by the class alone"
		}
		fmt.Fprintf(&b, "| %04x | %s | %s |\n", v.id, v.name, known)
	}
	b.WriteString(`
The outlets are cut only where the meaning of the delays is known: signed delays below UPS.Output, as
CyberPower has them. First the start delay is written (0: on again with mains), 125 ms later the
shutdown delay, in the device's whole steps and at least one; both are read back. Everywhere else the
commands that switch outlets are refused.

## What devices say that is not so

Numbers are issues of networkupstools/nut.

| what | of | what is made of it | seen on | source |
|---|---|---|---|---|
`)
	for _, k := range quirks() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", k.what, on(k), remedy(k), k.seen, k.source)
	}
	b.WriteString(`
A value beyond the limits that a device declares is given as it is and marked: limits that are wrong are
more common than such values. Known for it are output voltages with the limits of another field
(CP1500PFCLCD: 136 to 142 V, and it says 121).

A scale that none of these rows knows is corrected in the configuration, with ` + "`scale:`" + ` under the UPS.

## What is read

| variable | where the device keeps it: the first of these that it has |
|---|---|
`)
	for q, name := range names() {
		if name != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", name, strings.Join(paths()[q], ", "))
		}
	}
	b.WriteString("| ups.status | " + strings.Join([]string{"ACPresent", "Charging", "Discharging", "BelowRemainingCapacityLimit", "RemainingTimeLimitExpired", "ShutdownImminent", "NeedReplacement", "Overload", "Boost", "Buck"}, ", ") + " |\n")
	return b.String()
}

func on(k quirk) string {
	var all []string
	for _, q := range k.on {
		if name := names()[q]; name != "" {
			all = append(all, name)
		}
	}
	if len(all) == 0 || k.saysNothing != nil {
		return "strings"
	}
	return strings.Join(all, ", ")
}

func remedy(k quirk) string {
	switch {
	case k.scales != nil:
		var all []string
		for _, s := range k.scales {
			all = append(all, fmt.Sprintf("%.3g", s))
		}
		return "multiplied by " + strings.Join(all, " or ") + " if that makes it fit"
	case k.instead != nil:
		return "mended"
	case k.quiet:
		return "absent"
	}
	return "absent, with a warning"
}
