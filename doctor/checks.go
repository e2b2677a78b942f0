package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lastwatt/drivers"
	"lastwatt/rack"
)

// A check asks one question.
type check func(Facts) []rack.Problem

// checks are all questions.
func checks() []check {
	return []check{button, halted, pin, alarm, voltage, input, lastStop, clock, synced, journal, drive, devices, state, joined, configured,
		switched, broker, autolock, graces, stopTimes}
}

func problem(severity, code, text, remedy string) []rack.Problem {
	return []rack.Problem{{Code: code, Severity: severity, Text: text, Remedy: remedy}}
}

func is(b *bool, want bool) bool { return b != nil && *b == want }

const editEEPROM = "sudo rpi-eeprom-config --edit, and there: "

// button is whether the board waits for somebody to press its button after a power
// cut (Raspberry Pi documentation, bootloader configuration).
func button(f Facts) []rack.Problem {
	if f.Board == nil || f.Board.Start == nil || !is(f.Board.Start.WaitForPowerButton, true) {
		return nil
	}
	return problem("critical", "eeprom-button", "WAIT_FOR_POWER_BUTTON is set: with power back this board waits for its button, and stays dark", editEEPROM+"WAIT_FOR_POWER_BUTTON=0")
}

// halted is what a board draws that is halted: 1.2 to 1.6 W of a Pi 5 that keeps
// its SoC powered, 0.01 W of one that does not (measured by Jeff Geerling, 2023).
func halted(f Facts) []rack.Problem {
	if f.Board == nil || f.Board.Start == nil || !is(f.Board.Start.PowerOffOnHalt, false) || !strings.HasPrefix(f.Board.Model, "Raspberry Pi 5") {
		return nil
	}
	return problem("warning", "eeprom-halt", "POWER_OFF_ON_HALT is not set: halted, this board still draws 1.2 to 1.6 W of the battery", editEEPROM+"POWER_OFF_ON_HALT=1")
}

// pin is whether a pulse on GPIO3 starts a board that is off.
func pin(f Facts) []rack.Problem {
	if f.Board == nil || f.Board.Start == nil || f.Agent == nil || f.Controller == nil || f.Controller.Wake[f.Agent.Node] != "gpio" || !is(f.Board.Start.WakeOnGPIO, false) {
		return nil
	}
	return problem("critical", "eeprom-pin", "its wake is gpio, and WAKE_ON_GPIO is 0: no pulse starts this board when it is halted", editEEPROM+"WAKE_ON_GPIO=1")
}

func voltage(f Facts) []rack.Problem {
	if f.Board == nil || !is(f.Board.UnderVoltage, true) {
		return nil
	}
	return problem("critical", "under-voltage", "the firmware says that the board's supply is too low now", "use a supply and a cable that hold 5 V under load; it is below 4.63 V")
}

// alarmSince is the bootloader from which a Pi 5's alarm starts it also where
// POWER_OFF_ON_HALT is 0 (rpi-eeprom, release notes of firmware-2712).
func alarmSince() time.Time { return time.Date(2025, 6, 29, 0, 0, 0, 0, time.UTC) }

// alarm is whether the node's own clock starts it, where that is how it is woken.
func alarm(f Facts) []rack.Problem {
	if f.Agent == nil || f.Controller == nil || f.Controller.Wake[f.Agent.Node] != "rtc" {
		return nil
	}
	if !f.Alarm {
		return problem("critical", "wake-clock", "its wake is rtc, and no clock here can start this machine", "choose another wake: in the controller's configuration; of the Raspberry Pis the 5 has such a clock")
	}
	if f.Board == nil || f.Board.Start == nil || !is(f.Board.Start.PowerOffOnHalt, false) || f.Bootloader.IsZero() || !f.Bootloader.Before(alarmSince()) {
		return nil
	}
	return problem("critical", "wake-clock", fmt.Sprintf("its wake is rtc, and its bootloader of %s starts by the clock only with POWER_OFF_ON_HALT=1", f.Bootloader.Format(time.DateOnly)),
		editEEPROM+"POWER_OFF_ON_HALT=1; or sudo rpi-eeprom-update -a")
}

// input is whether a Pi 5's supply is close to what it runs on.
func input(f Facts) []rack.Problem {
	for _, r := range f.Rails {
		if r.Name == "EXT5V" && r.Volts != nil && (r.Level == drivers.Warning || r.Level == drivers.Critical) {
			return problem(string(r.Level), "input", fmt.Sprintf("the board's 5 V input is at %.2f V; a good supply shows 4.90 V or more there", float64(*r.Volts)), "use a supply and a cable that hold 5 V under load")
		}
	}
	return nil
}

// lastStop is whether the board's power chip, not Lastwatt, ended its last run.
func lastStop(f Facts) []rack.Problem {
	if f.Board == nil || !strings.Contains(f.Board.Reset, "power chip: under-voltage") {
		return nil
	}
	return problem("warning", "last-stop", "this board ran last until its supply gave way: it was not stopped in time, or its supply is too weak", "lastwatt status says whether an outage was handled then; if none was, look at the supply and its cable")
}

// journal: Lastwatt keeps its own record; of what the system did in an outage the
// journal alone tells.
func journal(f Facts) []rack.Problem {
	if !is(f.Journal, false) {
		return nil
	}
	return problem("warning", "journal", "the system's journal is kept in memory: after an outage nothing tells how this machine stopped", "in /etc/systemd/journald.conf.d/lastwatt.conf: [Journal] Storage=persistent and SystemMaxUse=64M; then sudo systemctl restart systemd-journald")
}

// drive is whether one of its drives is about to fail: what an outage changed is
// written down there.
func drive(f Facts) []rack.Problem {
	if f.Board == nil {
		return nil
	}
	var all []rack.Problem
	for _, d := range f.Board.Drives {
		switch {
		case len(d.Failing) > 0:
			all = append(all, problem("critical", "drive", fmt.Sprintf("its drive %s says of itself: %s", d.Name, strings.Join(d.Failing, ", ")), "replace it")...)
		case d.Wear != nil && *d.Wear >= 100:
			all = append(all, problem("warning", "drive", fmt.Sprintf("its drive %s has used %.0f %% of its rated life", d.Name, float64(*d.Wear)), "replace it before it becomes read-only")...)
		}
	}
	return all
}

// clock: without one the times of an outage are unknown after a power cut until the
// network says them. Decisions need none.
func clock(f Facts) []rack.Problem {
	if !is(f.KeepsTime, false) {
		return nil
	}
	if f.Alarm && f.Pi {
		return problem("warning", "clock", "its clock has no battery: after a cut the records have no times until the network tells them", "put a battery for it on the connector J5, and dtparam=rtc_bbat_vchg=3000000 into config.txt where it is a rechargeable one")
	}
	return problem("warning", "clock", "no clock goes on without power: after a cut the records have no times until the network tells them", "a Pi 5 has one (add its battery); for others add an RTC, such as a DS3231")
}

func synced(f Facts) []rack.Problem {
	if !is(f.Synced, false) {
		return nil
	}
	return problem("warning", "time", "the time is not kept by the network: certificates and records go by it", "sudo timedatectl set-ntp true, or install chrony")
}

func devices(f Facts) []rack.Problem {
	var all []rack.Problem
	for _, d := range f.Devices {
		if d.Err != nil {
			all = append(all, problem("critical", "device", fmt.Sprintf("%s, for %s: %v", d.Path, d.For, d.Err), "run the agent as root, as its service does; for the controller install configs/udev/60-lastwatt.rules")...)
		}
	}
	return all
}

func state(f Facts) []rack.Problem {
	var all []rack.Problem
	for _, d := range f.State {
		switch {
		case d.Err != nil:
			all = append(all, problem("critical", "state", fmt.Sprintf("the state cannot be written to %s: %v", d.Path, d.Err), "make it writable; what was changed in an outage is written down there")...)
		case d.Memory:
			all = append(all, problem("critical", "state", d.Path+" is in memory: what an outage changed is forgotten with the power", "put it on a disk; with an overlay root, bind a writable partition there")...)
		}
	}
	return all
}

func joined(f Facts) []rack.Problem {
	a := f.Agent
	switch {
	case a == nil:
		return problem("warning", "agent", "no agent is configured here: nothing stops or parks this machine", "on the controller: lastwatt token --node NAME; here: the line that it prints")
	case a.Err != nil:
		return problem("critical", "agent", a.Err.Error(), "mend the agent's configuration; lastwatt join writes one")
	case !a.Joined:
		return problem("critical", "agent", "the agent has no certificates: it cannot reach its controller", "on the controller: lastwatt token --node "+a.Node+"; here: the line that it prints")
	case is(a.Running, false):
		return problem("critical", "agent", "the agent's service does not run", "sudo systemctl enable --now lastwatt-agent")
	}
	return nil
}

func configured(f Facts) []rack.Problem {
	c := f.Controller
	switch {
	case c == nil:
		return nil
	case c.Err != nil:
		return problem("critical", "configuration", c.Err.Error(), "lastwatt config check says all that is wrong")
	case !c.Running:
		return problem("critical", "controller", "the controller is configured here and does not run", "sudo systemctl enable --now lastwatt-controller")
	}
	return nil
}

// switched is whether the network goes on in an outage: without it no agent is
// reached (DESIGN, "Not covered"), nor a UPS that is read over it.
func switched(f Facts) []rack.Problem {
	c := f.Controller
	switch {
	case c == nil || c.Err != nil || slices.Contains(c.Feeds, "switch"):
		return nil
	case c.Remote:
		return problem("critical", "switch", "no UPS feeds the switch, and a UPS is read over the network: with mains away nothing is heard of it", "put the switch on the UPS, and \"switch\" into its feeds:")
	case len(c.Nodes) < 2:
		return nil
	}
	return problem("critical", "switch", "no UPS feeds the switch: with mains away no agent can be reached, and each node parks by itself only at the end", "put the switch on the UPS, and \"switch\" into its feeds:")
}

// broker is whether the MQTT broker is one that Lastwatt stops before the controller
// itself ends: then nobody sees how the outage goes on.
func broker(f Facts) []rack.Problem {
	c := f.Controller
	if c == nil || c.Broker == "" {
		return nil
	}
	if f.Engine != nil {
		for _, s := range f.Engine.Habits.Habits {
			if slices.Contains(s.Ports, c.Port) {
				return problem("warning", "broker", fmt.Sprintf("port %d of the MQTT broker is published by the service %s of the Swarm: it is drained in an outage, and then nobody sees how it goes on", c.Port, s.Name), "run the broker outside the Swarm, on what lasts longest, or use broker: embedded")
			}
		}
	}
	if !slices.Contains(c.Nodes, c.Broker) || c.Broker == c.UPSHost {
		return nil
	}
	return problem("warning", "broker", "the MQTT broker runs on "+c.Broker+", a node of this rack: it ends with that node", "have it on the UPS's host, which stops last, or use broker: embedded")
}

func autolock(f Facts) []rack.Problem {
	if f.Engine == nil || !f.Engine.Autolock {
		return nil
	}
	return problem("critical", "autolock", "the Swarm is autolocked: after a power cut its managers wait for a key, and nothing is restored", "docker swarm update --autolock=false")
}

// defaultGrace is what Docker gives a container that says nothing.
const defaultGrace = 10 * time.Second

// graces is whether services want longer to stop than draining may take.
func graces(f Facts) []rack.Problem {
	if f.Engine == nil || f.Controller == nil || f.Controller.Drain == 0 {
		return nil
	}
	var all []rack.Problem
	for _, s := range f.Engine.Habits.Habits {
		if s.Grace > f.Controller.Drain {
			all = append(all, problem("warning", "grace", fmt.Sprintf("service %s may take %s to stop, and draining is given %s: it is cut short", s.Name, s.Grace, f.Controller.Drain), fmt.Sprintf("policy.budgets.drain: %s, or a shorter stop_grace_period", s.Grace+10*time.Second))...)
		}
	}
	return all
}

// stopTimes is whether containers that the drain left are killed when dockerd stops.
func stopTimes(f Facts) []rack.Problem {
	e := f.Engine
	if e == nil {
		return nil
	}
	longest, who := defaultGrace, "containers"
	for _, s := range e.Habits.Habits {
		if s.Grace > longest {
			longest, who = s.Grace, "service "+s.Name
		}
	}
	var all []rack.Problem
	if e.Shutdown > 0 && longest > e.Shutdown {
		all = append(all, problem("warning", "docker-stop", fmt.Sprintf("%s may take %s to stop, and dockerd kills what still runs %s after it is told to stop", who, longest, e.Shutdown), fmt.Sprintf("\"shutdown-timeout\": %d in /etc/docker/daemon.json", int(longest.Seconds())+5))...)
	}
	if e.Unit > 0 && max(longest, e.Shutdown) > e.Unit {
		all = append(all, problem("warning", "docker-unit", fmt.Sprintf("dockerd may take %s to stop its containers, and systemd kills it after %s", max(longest, e.Shutdown), e.Unit), "sudo systemctl edit docker, and there: [Service] TimeoutStopSec="+fmt.Sprint(int(max(longest, e.Shutdown).Seconds())+10))...)
	}
	return all
}
