package mqtt

import (
	"time"

	"lastwatt/drivers"
	"lastwatt/rack"
)

func ptr[T any](v T) *T { return &v }

// testOptions are of a site with a name that no identifier could have.
func testOptions() Options { return Options{Site: "Rack/1", Version: "0.1.0"} }

// onBatterySnapshot is a rack four minutes into an outage.
func onBatterySnapshot() rack.Snapshot {
	at := time.Date(2026, 9, 5, 14, 6, 0, 400_000_000, time.UTC)
	return rack.Snapshot{
		Site: "Rack/1", At: at, Mode: "armed", Phase: "shedding",
		Summary: "On battery for 4 min; node04 is idle; all nodes stop in 31 min.",
		Outage: &rack.Outage{ID: "o7", Began: at.Add(-4 * time.Minute), Elapsed: 247 * time.Second,
			OnBattery: 247 * time.Second, Stage: "early"},
		Last: &rack.Outage{ID: "o6", OnBattery: 95 * time.Second, Ended: true},
		UPS: []rack.UPS{{Name: "main", Driver: "usbhid", Feeds: []string{"node01", "node04"}, Contact: true, Known: true,
			Age: 1700 * time.Millisecond, Fact: onBatteryFact()}},
		Nodes: []rack.Node{
			{Name: "node01", Model: "pi5", Tier: 2, Wake: "ups", UPSHost: true, Connected: true, State: "up", Role: "manager",
				Leader: true, Availability: "active", SwarmState: "ready",
				Fact: drivers.Node{Model: "Raspberry Pi 5 Model B Rev 1.0", Temperature: ptr(drivers.Celsius(51.35)), Draw: ptr(drivers.Watt(6.789)), Method: "PMIC estimate", UnderVoltage: ptr(false),
					Throttled: []string{}, Reset: "power on", Drives: []drivers.Drive{{Name: "nvme0", Temperature: ptr(drivers.Celsius(44.6)), Wear: ptr(drivers.Percent(3))}}},
				Fans:  []drivers.Fan{{Name: "CPU fan", RPM: ptr(2417.0), State: "running"}},
				Rails: []drivers.Rail{{Name: "5V", Volts: ptr(drivers.Volt(5.0871)), Amps: ptr(drivers.Ampere(1.2345)), Level: drivers.OK}}},
			{Name: "node04", Model: "pi4", Tier: 1, Wake: "ups", State: "idle"},
		},
		Fans:      []drivers.Fan{{Name: "top", State: "stalled", RPM: ptr(0.0)}},
		Rails:     []drivers.Rail{{Name: "12V", Good: ptr(false)}},
		Meters:    []drivers.Meter{{Name: "switch", Watts: ptr(drivers.Watt(8.25)), Energy: ptr(drivers.WattHour(123456)), Method: "measured AC"}},
		Outputs:   []drivers.Output{{Name: "fan-relay", On: ptr(true)}},
		Witnesses: []drivers.Witness{{Name: "optocoupler", Mains: ptr(false)}},
		Swarm:     rack.Swarm{Known: true, Managers: 3, Quorum: true, Leader: "node01", Services: []rack.Service{{Name: "web", Running: 2, Desired: 2}}},
		Plan: rack.Plan{TimeToEmpty: ptr(2889 * time.Second), Method: "slope", Margin: ptr(2 * time.Minute),
			Steps: []rack.Step{{In: 1861 * time.Second, What: "stop all nodes", Reason: "the last moment to begin"},
				{In: 2000 * time.Second, What: "halt", Node: "node01", Reason: "drained"}}},
		Health: []rack.Problem{{Code: "clock", Severity: "warning", Text: "the clock of node04 is not set", Remedy: "run chrony"}},
	}
}

func onBatteryFact() drivers.UPS {
	return drivers.UPS{
		OnBattery: ptr(true), Charging: ptr(false), Discharging: ptr(true), LowBattery: ptr(false), ShutdownPending: ptr(false),
		Charge: ptr(drivers.Percent(64.4)), Runtime: ptr(48 * time.Minute), BatteryVoltage: ptr(drivers.Volt(24.449)),
		InputVoltage: ptr(drivers.Volt(0)), OutputVoltage: ptr(drivers.Volt(230.04)), Load: ptr(drivers.Percent(5)),
		Maker: "CPS", Model: "VP1600ELCD", Serial: "X1", Firmware: "BF02208",
	}
}

// emptySnapshot is a rack of which nothing is known yet.
func emptySnapshot() rack.Snapshot {
	return rack.Snapshot{
		Site: "Rack/1", Mode: "observe", Phase: "mains", Summary: "Waiting for the first reading of main.",
		UPS: []rack.UPS{{Name: "main", Driver: "usbhid"}}, Nodes: []rack.Node{{Name: "node01", State: "unknown"}},
	}
}
