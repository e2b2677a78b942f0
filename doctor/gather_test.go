package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lastwatt/config"
	"lastwatt/drivers"
	"lastwatt/drivers/all"
	"lastwatt/rack"
	"lastwatt/swarm"
)

// machine is a system and an engine that answer what the test says.
type machine struct {
	units  map[string]string
	closed map[string]error // devices that cannot be opened; others are not there
	habits swarm.Habits
	err    error
}

func (m machine) Unit(_ context.Context, unit, property string) (string, error) {
	if v, ok := m.units[unit+" "+property]; ok {
		return v, nil
	}
	return "", errors.New("no systemctl")
}

func (m machine) Open(path string) error {
	for name, err := range m.closed {
		if strings.HasSuffix(path, name) {
			return err
		}
	}
	return fs.ErrNotExist
}

func (m machine) Habits(context.Context) (swarm.Habits, error) { return m.habits, m.err }

func grow(t *testing.T, root string, tree map[string]string) {
	t.Helper()
	for name, text := range tree {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsGatheredOfANode(t *testing.T) {
	root := t.TempDir()
	grow(t, root, map[string]string{
		"proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.5\x00", "proc/device-tree/chosen/bootloader/build_timestamp": "\x69\x37\x27\x32", "proc/self/mounts": "/dev/sda1 / ext4 rw 0 0\n",
		"run/systemd/timesync/synchronized": "", "etc/docker/daemon.json": `{"shutdown-timeout": 40}`, "dev/gpiochip0": "",
		"certs/node.pem": "", "agent.yaml": "node: node02\ncontroller: \"10.0.0.1:7480\"\ndir: " + root + "/certs\n",
		"lastwatt.yaml": "ups: [{name: main, driver: sim, feeds: [node01, switch], cut: true}]\nnodes: {node01: {wake: ups, ups_host: true}, node02: {wake: gpio}}\n" +
			"mqtt: {broker: \"tcp://node02:1884\"}\npolicy: {budgets: {drain: 50s}}\ncontroller: {state_dir: " + root + "/none}\n",
	})
	m := machine{units: map[string]string{"docker.service TimeoutStopUSec": "1min 30s", "lastwatt-agent.service ActiveState": "inactive"},
		closed: map[string]error{"/dev/vcio": fs.ErrPermission, "/dev/gpiochip0": nil}, habits: swarm.Habits{Role: "worker"}}
	f := Gather(t.Context(), Sources{Root: root, System: m, Engine: m, Kinds: all.Kinds(),
		AgentPath: filepath.Join(root, "agent.yaml"), ControllerPath: filepath.Join(root, "lastwatt.yaml"),
		Board: func(context.Context) (drivers.Node, []drivers.Rail, error) {
			return drivers.Node{Start: &drivers.Start{Clock: new(false)}}, nil, nil
		},
		Snapshot: func(context.Context) (rack.Snapshot, error) { return rack.Snapshot{}, fs.ErrPermission }})
	if !f.Pi || f.KeepsTime == nil || *f.KeepsTime || f.Alarm || f.Synced == nil || !*f.Synced || f.Board == nil || f.Bootloader.Format(time.DateTime) != "2025-12-08 19:29:54" {
		t.Errorf("the machine: %+v", f)
	}
	if a := f.Agent; a == nil || a.Node != "node02" || a.Err != nil || !a.Joined || a.Running == nil || *a.Running {
		t.Errorf("its agent: %+v", a)
	}
	if c := f.Controller; c == nil || c.Err != nil || !c.Running || c.Broker != "node02" || c.Port != 1884 || c.Drain != 50*time.Second || c.Wake["node02"] != "gpio" || !c.Cut || c.Remote || c.UPSHost != "node01" || len(c.Nodes) != 2 {
		t.Errorf("its controller: %+v", c)
	}
	if e := f.Engine; e == nil || e.Shutdown != 40*time.Second || e.Unit != 90*time.Second {
		t.Errorf("its engine: %+v", e)
	}
	if len(f.State) != 2 || f.State[0].Path != root+"/certs" || f.State[0].Err != nil || f.State[1].Path != root+"/none" || !errors.Is(f.State[1].Err, fs.ErrNotExist) {
		t.Errorf("its state: %+v", f.State)
	}
	if len(f.Devices) != 2 || f.Devices[0].Path != "/dev/vcio" || f.Devices[0].Err == nil || f.Devices[1].Path != "/dev/gpiochip0" || f.Devices[1].Err != nil {
		t.Errorf("its devices: %+v", f.Devices)
	}
	var unknown []string
	for _, u := range f.Unchecked {
		unknown = append(unknown, u.What)
	}
	if got := strings.Join(unknown, ", "); got != "the EEPROM's settings, whether the journal outlives the power, what the controller itself complains of, the Swarm's autolock and services" {
		t.Errorf("unknown: %s", got)
	}
}

func TestAMachineWithNothingOfOurs(t *testing.T) {
	root := t.TempDir()
	m := machine{err: errors.New("no engine")}
	f := Gather(t.Context(), Sources{Root: root, System: m, Engine: m, Kinds: all.Kinds(), AgentPath: root + "/a", ControllerPath: root + "/c",
		Board: func(context.Context) (drivers.Node, []drivers.Rail, error) {
			return drivers.Node{}, nil, errors.New("no board")
		}})
	if f.Agent != nil || f.Controller != nil || f.Engine != nil || f.Board != nil || f.Synced != nil || len(f.Devices) > 0 {
		t.Errorf("%+v", f)
	}
	if len(f.Unchecked) != 5 {
		t.Errorf("unknown: %+v", f.Unchecked)
	}
	if r := Examine(f); r.Worst() != drivers.Warning {
		t.Errorf("%+v", r)
	}
}

func TestWhetherTheEEPROMToldWhatDecidesOnAStart(t *testing.T) {
	for _, c := range []struct {
		model string
		start *drivers.Start
		want  bool
	}{
		{"pi5", nil, false}, {"pi5", &drivers.Start{Clock: new(true)}, false}, {"pi5", &drivers.Start{PowerOffOnHalt: new(true)}, false},
		{"pi5", &drivers.Start{WaitForPowerButton: new(false)}, true}, {"pi4", &drivers.Start{PowerOffOnHalt: new(false)}, false},
		{"pi4", &drivers.Start{WakeOnGPIO: new(true)}, true}, {"pi3", &drivers.Start{Clock: new(false)}, false},
	} {
		if got := tellsOfStart(c.model, c.start); got != c.want {
			t.Errorf("%s, %+v: %t", c.model, c.start, got)
		}
	}
}

func TestAFileSystemInMemoryIsKnown(t *testing.T) {
	const mounts = "/dev/mmcblk0p2 / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/sda1 /var/lib/lastwatt ext4 rw 0 0\n"
	for _, c := range []struct {
		path, mounts string
		want         bool
	}{
		{"/var/lib/lastwatt", mounts, false}, {"/run/lastwatt", mounts, true}, {"/runner", mounts, false},
		{"/var/lib/lastwatt", "overlay / overlay rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay 0 0\n", true},
		{"/var/lib/lastwatt", "overlay / overlay rw,lowerdir=a,upperdir=/disk/b 0 0\n", false},
		{"/var/lib/lastwatt", "", false},
	} {
		if got := inMemory(c.path, c.mounts); got != c.want {
			t.Errorf("%s in %q: %t", c.path, c.mounts, got)
		}
	}
}

func TestATimeAsSystemctlShowsIt(t *testing.T) {
	for text, want := range map[string]time.Duration{"1min 30s": 90 * time.Second, "45s": 45 * time.Second, "infinity": 0, "": 0, "2h 5min": 125 * time.Minute} {
		if got, err := unitTime(text); got != want || err != nil {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	if _, err := unitTime("soon"); err == nil {
		t.Error("soon is no time")
	}
}

func TestWhetherTheJournalOutlivesThePower(t *testing.T) {
	for _, c := range []struct {
		name string
		tree map[string]string
		want *bool
	}{
		{"no systemd", nil, nil},
		{"auto, without its folder", map[string]string{"run/systemd/system/x": ""}, new(false)},
		{"auto, with it", map[string]string{"run/systemd/system/x": "", "var/log/journal/id/system.journal": ""}, new(true)},
		{"as Raspberry Pi OS ships it", map[string]string{"run/systemd/system/x": "", "var/log/journal/id/system.journal": "",
			"usr/lib/systemd/journald.conf.d/40-rpi-volatile-storage.conf": "[Journal]\nStorage=volatile\n"}, new(false)},
		{"changed since", map[string]string{"run/systemd/system/x": "", "usr/lib/systemd/journald.conf.d/40-rpi-volatile-storage.conf": "[Journal]\nStorage=volatile\n",
			"etc/systemd/journald.conf.d/90-lastwatt.conf": "[Journal]\n#Storage=none\nStorage=persistent\n"}, new(true)},
		{"hidden by a file of its name", map[string]string{"run/systemd/system/x": "", "usr/lib/systemd/journald.conf.d/40-rpi-volatile-storage.conf": "[Journal]\nStorage=volatile\n",
			"etc/systemd/journald.conf.d/40-rpi-volatile-storage.conf": "", "etc/systemd/journald.conf": "[Journal]\nStorage=persistent\n"}, new(true)},
	} {
		root := t.TempDir()
		grow(t, root, c.tree)
		var f Facts
		f.journal(Sources{Root: root})
		if (f.Journal == nil) != (c.want == nil) || f.Journal != nil && *f.Journal != *c.want || (f.Journal == nil) != (len(f.Unchecked) == 1) {
			t.Errorf("%s: %v, want %v; unknown: %v", c.name, f.Journal, c.want, f.Unchecked)
		}
	}
}

func TestWhetherAClockGoesOnWithoutPower(t *testing.T) {
	own := map[string]string{"sys/class/rtc/rtc0/name": "rpi-rtc soc:rpi_rtc\n"}
	hat := map[string]string{"sys/class/rtc/rtc0/name": "rpi-rtc soc:rpi_rtc\n", "sys/class/rtc/rtc1/name": "rtc-ds1307 1-0068\n"}
	input, battery := drivers.Rail{Name: "EXT5V"}, drivers.Rail{Name: "BATT"}
	for _, c := range []struct {
		name  string
		pi    bool
		tree  map[string]string
		rails []drivers.Rail
		want  *bool
	}{
		{"a Pi 5 with a battery", true, own, []drivers.Rail{input, battery}, new(true)},
		{"a Pi 5 without", true, own, []drivers.Rail{input}, new(false)},
		{"a Pi 5 without, and a clock on a HAT", true, hat, []drivers.Rail{input}, new(true)},
		{"a Pi 5 that may not be asked", true, own, nil, nil},
		{"a Pi 4", true, nil, nil, new(false)},
		{"a PC", false, map[string]string{"sys/class/rtc/rtc0/name": "rtc_cmos 00:01\n"}, nil, new(true)},
		{"a container", false, nil, nil, nil},
	} {
		root := t.TempDir()
		grow(t, root, c.tree)
		f := Facts{Pi: c.pi, Rails: c.rails}
		f.keepsTime(Sources{Root: root})
		if (f.KeepsTime == nil) != (c.want == nil) || f.KeepsTime != nil && *f.KeepsTime != *c.want || (f.KeepsTime == nil) != (len(f.Unchecked) == 1) {
			t.Errorf("%s: %v, want %v; unknown: %v", c.name, f.KeepsTime, c.want, f.Unchecked)
		}
	}
}

func TestWhichUPSIsReadOverTheNetwork(t *testing.T) {
	for entry, want := range map[string]bool{
		"driver: nut, address: 10.0.0.5":                                     true,
		"driver: nut, address: 'nas:3493'":                                   true,
		"driver: nut, address: localhost":                                    false,
		"driver: nut, address: '127.0.0.1:3493'":                             false,
		"driver: nut, address: '[::1]:3493'":                                 false,
		"driver: modbus, map: apc-smart-ups, address: 'tcp://10.0.0.5'":      true,
		"driver: modbus, map: apc-smart-ups, address: 'tcp://localhost:502'": false,
		"driver: modbus, map: apc-smart-ups, address: /dev/ttyUSB0":          false,
		"driver: usbhid": false,
	} {
		text := "ups: [{name: main, feeds: [node01], " + entry + "}]\nnodes: {node01: {wake: ups, ups_host: true}}\n"
		c, err := config.Parse("rack.yaml", []byte(text), all.Kinds())
		if err != nil {
			t.Fatalf("%s: %v", entry, err)
		}
		if got := remote(c.UPS[0]); got != want {
			t.Errorf("%s: %v", entry, got)
		}
		if c.UPS[0].Feeds = nil; remote(c.UPS[0]) {
			t.Errorf("%s: one that is only watched counts", entry)
		}
	}
}
