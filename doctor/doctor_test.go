package doctor

import (
	"errors"
	"slices"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/rack"
	"lastwatt/swarm"
)

// well is a machine that nothing is wrong with.
func well() Facts {
	return Facts{
		Board:     &drivers.Node{Model: "Raspberry Pi 5 Model B Rev 1.0", UnderVoltage: new(false), Start: &drivers.Start{PowerOffOnHalt: new(true), WakeOnGPIO: new(true), WaitForPowerButton: new(false)}},
		Pi:        true,
		Rails:     []drivers.Rail{{Name: "EXT5V", Volts: new(drivers.Volt(5)), Level: drivers.OK}, {Name: "BATT", Volts: new(drivers.Volt(3))}},
		KeepsTime: new(true), Alarm: true, Synced: new(true), Journal: new(true),
		Devices: []Device{{Path: "/dev/vcio", For: "the firmware"}},
		State:   []Directory{{Path: "/var/lib/lastwatt-agent"}, {Path: "/var/lib/lastwatt"}},
		Agent:   &Agent{Node: "node01", Joined: true, Running: new(true)},
		Controller: &Controller{Feeds: []string{"node01", "node02", "switch"}, Nodes: []string{"node01", "node02"}, UPSHost: "node01", Wake: map[string]string{"node01": "gpio"},
			Broker: "ha.lan", Port: 1883, Drain: time.Minute, Running: true},
		Engine: &Engine{Habits: swarm.Habits{Role: "manager", Habits: []swarm.Habit{{Name: "web", Ports: []uint32{80}}}}, Shutdown: 15 * time.Second, Unit: 90 * time.Second},
	}
}

func TestAMachineThatIsWellHasNoProblem(t *testing.T) {
	if r := Examine(well()); len(r.Problems) > 0 || r.Worst() != drivers.OK || r.Checks < 15 {
		t.Errorf("%+v", r)
	}
	if r := Examine(Facts{Agent: &Agent{Joined: true}}); len(r.Problems) > 0 {
		t.Errorf("of a machine of which little is known: %+v", r.Problems)
	}
}

func TestEachProblemIsFound(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*Facts)
		want  []string // severity, code
	}{
		{"it waits for its button", func(f *Facts) { f.Board.Start.WaitForPowerButton = new(true) }, []string{"critical eeprom-button"}},
		{"a Pi 5 that draws while it is halted", func(f *Facts) { f.Board.Start.PowerOffOnHalt = new(false) }, []string{"warning eeprom-halt"}},
		{"a Pi 4 cannot help that", func(f *Facts) { f.Board.Model, f.Board.Start.PowerOffOnHalt = "Raspberry Pi 4 Model B", new(false) }, nil},
		{"its pin does not wake it", func(f *Facts) { f.Board.Start.WakeOnGPIO = new(false) }, []string{"critical eeprom-pin"}},
		{"nor need it, woken by the UPS", func(f *Facts) { f.Board.Start.WakeOnGPIO = new(false); f.Controller.Wake["node01"] = "ups" }, nil},
		{"its supply is low", func(f *Facts) { f.Board.UnderVoltage = new(true) }, []string{"critical under-voltage"}},
		{"it has no clock", func(f *Facts) { f.KeepsTime = new(false) }, []string{"warning clock"}},
		{"its own clock cannot wake it", func(f *Facts) { f.Controller.Wake["node01"], f.Alarm = "rtc", false }, []string{"critical wake-clock"}},
		{"an old bootloader's cannot, with power on", func(f *Facts) {
			f.Controller.Wake["node01"], f.Board.Start.PowerOffOnHalt, f.Bootloader = "rtc", new(false), time.Date(2025, 5, 8, 0, 0, 0, 0, time.UTC)
		}, []string{"critical wake-clock", "warning eeprom-halt"}},
		{"a newer one's can", func(f *Facts) {
			f.Controller.Wake["node01"], f.Board.Start.PowerOffOnHalt, f.Bootloader = "rtc", new(false), time.Date(2025, 12, 8, 0, 0, 0, 0, time.UTC)
		}, []string{"warning eeprom-halt"}},
		{"its input is low", func(f *Facts) { f.Rails[0].Volts, f.Rails[0].Level = new(drivers.Volt(4.76)), drivers.Warning }, []string{"warning input"}},
		{"its input is far too low", func(f *Facts) { f.Rails[0].Volts, f.Rails[0].Level = new(drivers.Volt(4.66)), drivers.Critical }, []string{"critical input"}},
		{"its supply gave way", func(f *Facts) { f.Board.Reset = "power chip: under-voltage; power came on" }, []string{"warning last-stop"}},
		{"a power cut is no fault of its supply", func(f *Facts) { f.Board.Reset = "power came on" }, nil},
		{"its journal is in memory", func(f *Facts) { f.Journal = new(false) }, []string{"warning journal"}},
		{"nobody keeps its time", func(f *Facts) { f.Synced = new(false) }, []string{"warning time"}},
		{"a device is not to be opened", func(f *Facts) { f.Devices[0].Err = errors.New("permission denied") }, []string{"critical device"}},
		{"the state is in memory", func(f *Facts) { f.State[0].Memory = true }, []string{"critical state"}},
		{"the state cannot be written", func(f *Facts) { f.State[1].Err = errors.New("read-only file system") }, []string{"critical state"}},
		{"no agent", func(f *Facts) { f.Agent = nil }, []string{"warning agent"}},
		{"an agent with a wrong configuration", func(f *Facts) { f.Agent.Err = errors.New("agent.yaml:1: no node") }, []string{"critical agent"}},
		{"an agent that has not joined", func(f *Facts) { f.Agent.Joined = false }, []string{"critical agent"}},
		{"an agent that does not run", func(f *Facts) { f.Agent.Running = new(false) }, []string{"critical agent"}},
		{"a wrong configuration", func(f *Facts) { f.Controller.Err = errors.New("lastwatt.yaml:1: no UPS") }, []string{"critical configuration"}},
		{"a controller that does not run", func(f *Facts) { f.Controller.Running = false }, []string{"critical controller"}},
		{"a switch without a UPS", func(f *Facts) { f.Controller.Feeds = []string{"node01", "node02"} }, []string{"critical switch"}},
		{"a UPS over a network that ends with mains", func(f *Facts) {
			f.Controller.Remote, f.Controller.Feeds, f.Controller.Nodes = true, []string{"node01"}, []string{"node01"}
		}, []string{"critical switch"}},
		{"a UPS over a network that does not", func(f *Facts) { f.Controller.Remote, f.Controller.Nodes = true, []string{"node01"} }, nil},
		{"a drive that is worn out", func(f *Facts) { f.Board.Drives = []drivers.Drive{{Name: "nvme0", Wear: new(drivers.Percent(100))}} }, []string{"warning drive"}},
		{"a drive that is not", func(f *Facts) { f.Board.Drives = []drivers.Drive{{Name: "nvme0", Wear: new(drivers.Percent(99))}} }, nil},
		{"a drive that fails", func(f *Facts) {
			f.Board.Drives = []drivers.Drive{{Name: "nvme0", Failing: []string{"it is read only"}}}
		}, []string{"critical drive"}},
		{"one machine needs no switch", func(f *Facts) { f.Controller.Feeds, f.Controller.Nodes = []string{"node01"}, []string{"node01"} }, nil},
		{"a broker on a node", func(f *Facts) { f.Controller.Broker = "node02" }, []string{"warning broker"}},
		{"a broker on the UPS's host, which stops last", func(f *Facts) { f.Controller.Broker = "node01" }, nil},
		{"a broker beside the controller", func(f *Facts) { f.Controller.Broker = "localhost" }, nil},
		{"a broker beside it, but in the Swarm", func(f *Facts) { f.Controller.Broker, f.Controller.Port = "localhost", 80 }, []string{"warning broker"}},
		{"a broker in the Swarm", func(f *Facts) { f.Engine.Habits.Habits[0].Ports = []uint32{80, 1883} }, []string{"warning broker"}},
		{"an autolocked Swarm", func(f *Facts) { f.Engine.Autolock = true }, []string{"critical autolock"}},
		{"a service that stops slowly", func(f *Facts) { f.Engine.Habits.Habits[0].Grace = 15 * time.Second }, nil},
		{"more slowly than dockerd lets it", func(f *Facts) { f.Engine.Habits.Habits[0].Grace = 16 * time.Second }, []string{"warning docker-stop"}},
		{"than draining may take", func(f *Facts) { f.Engine.Habits.Habits[0].Grace, f.Engine.Shutdown = 61*time.Second, 61*time.Second }, []string{"warning grace"}},
		{"dockerd more slowly than systemd lets it", func(f *Facts) { f.Engine.Shutdown = 91 * time.Second }, []string{"warning docker-unit"}},
		{"the controller complains", func(f *Facts) {
			f.Controller.Health = []rack.Problem{{Code: "observe", Severity: "warning", Text: "on observe"}}
		}, []string{"warning observe"}},
		{"the worst comes first", func(f *Facts) { f.KeepsTime, f.Engine.Autolock = new(false), true }, []string{"critical autolock", "warning clock"}},
	} {
		f := well()
		c.spoil(&f)
		r := Examine(f)
		var got []string
		for _, p := range r.Problems {
			got = append(got, p.Severity+" "+p.Code)
			if p.Text == "" || p.Remedy == "" && p.Code != "observe" {
				t.Errorf("%s: %+v: want a text and a remedy", c.name, p)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}
