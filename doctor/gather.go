package doctor

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastwatt/config"
	"lastwatt/drivers"
	"lastwatt/drivers/board"
	"lastwatt/rack"
	"lastwatt/swarm"
)

// A System answers what only a running system knows.
type System interface {
	// Unit is a property of a unit of the service manager, as systemctl shows
	// it.
	Unit(ctx context.Context, unit, property string) (string, error)
	// Open opens a device as the daemons do, and closes it.
	Open(path string) error
}

// A Swarmed is the local engine; [swarm.Docker] is one.
type Swarmed interface {
	Habits(ctx context.Context) (swarm.Habits, error)
}

// Sources are where facts come from.
type Sources struct {
	Root   string // where the system's files are
	System System
	Engine Swarmed
	// Board reads the machine's own sensors once.
	Board func(ctx context.Context) (drivers.Node, []drivers.Rail, error)
	// Snapshot asks the controller that runs here.
	Snapshot func(ctx context.Context) (rack.Snapshot, error)
	// AgentPath and ControllerPath are their configurations.
	AgentPath, ControllerPath string
	Kinds                     []drivers.Kind
}

// Gather finds out what it can, each thing within its own few seconds. What it
// cannot find out it names.
func Gather(ctx context.Context, s Sources) Facts {
	var f Facts
	f.board(ctx, s)
	f.time(s)
	f.journal(s)
	f.agent(ctx, s)
	f.controller(ctx, s)
	f.engine(ctx, s)
	f.devices(s)
	return f
}

func (f *Facts) unchecked(what string, why error) {
	f.Unchecked = append(f.Unchecked, Unchecked{what, why.Error()})
}

func (s Sources) file(path string) string { return filepath.Join(s.Root, path) }

func (s Sources) text(path string) (string, bool) {
	data, err := os.ReadFile(s.file(path))
	return strings.Trim(string(data), "\x00\n "), err == nil
}

func (f *Facts) board(ctx context.Context, s Sources) {
	model, _ := s.text("proc/device-tree/model")
	f.Pi = strings.HasPrefix(model, "Raspberry Pi")
	n, rails, err := s.Board(ctx)
	if err != nil {
		f.unchecked("the board", err)
		return
	}
	f.Board, f.Rails = &n, rails
	if made, err := os.ReadFile(s.file("proc/device-tree/chosen/bootloader/build_timestamp")); err == nil && len(made) == 4 {
		f.Bootloader = time.Unix(int64(binary.BigEndian.Uint32(made)), 0).UTC()
	}
	if f.Pi && !tellsOfStart(board.ModelOf(model), n.Start) {
		f.unchecked("the EEPROM's settings", errors.New("this board has none, its firmware did not tell them, or they stand in a section that is not always in force"))
	}
}

// tellsOfStart is whether what decides on a start is known of a board of that model.
func tellsOfStart(model string, s *drivers.Start) bool {
	switch {
	case s == nil:
		return false
	case model == "pi5":
		return s.WaitForPowerButton != nil
	}
	return s.WakeOnGPIO != nil
}

func (f *Facts) time(s Sources) {
	_, err := board.FindRTC(s.Root)
	f.Alarm = err == nil
	f.keepsTime(s)
	for _, path := range []string{"run/systemd/timesync/synchronized", "var/lib/chrony/drift", "var/lib/chrony/chrony.drift", "var/lib/ntp/ntp.drift", "var/lib/ntpsec/ntp.drift"} {
		if _, err := os.Stat(s.file(path)); err == nil {
			f.Synced = new(true)
			return
		}
	}
	if _, err := os.Stat(s.file("run/systemd/system")); err != nil {
		f.unchecked("whether the time is kept by the network", errors.New("systemd does not run here, and no other time service has left a trace"))
		return
	}
	f.Synced = new(false)
}

// keepsTime looks for a clock that goes on without power. A Pi 5 has one always, and
// seldom the battery that it goes on by; its power chip tells.
func (f *Facts) keepsTime(s Sources) {
	clocks, _ := filepath.Glob(s.file("sys/class/rtc/rtc*"))
	own := 0
	for _, dir := range clocks {
		name, _ := os.ReadFile(filepath.Join(dir, "name"))
		if strings.HasPrefix(string(name), "rpi") {
			own++
		}
	}
	has := func(rail string) bool {
		return slices.ContainsFunc(f.Rails, func(r drivers.Rail) bool { return r.Name == rail })
	}
	switch {
	case len(clocks) > own, own > 0 && has("BATT"):
		f.KeepsTime = new(true)
	case own > 0 && !has("EXT5V"):
		f.unchecked("whether its clock has a battery", errors.New("the board's power chip does not tell"))
	case f.Pi:
		f.KeepsTime = new(false)
	default:
		f.unchecked("whether a clock goes on without power", errors.New("no clock is seen in /sys/class/rtc, which is so in a container, too"))
	}
}

// journal reads whether journald keeps what it logs (journald.conf(5)): the last
// file that says so is right, and "auto" depends on the folder.
func (f *Facts) journal(s Sources) {
	if _, err := os.Stat(s.file("run/systemd/system")); err != nil {
		f.unchecked("whether the journal outlives the power", errors.New("systemd does not run here"))
		return
	}
	storage := "auto"
	files := []string{s.file("etc/systemd/journald.conf")}
	// A file in /etc hides one of the same name in /usr/lib.
	byName := map[string]string{}
	for _, dir := range []string{"usr/lib", "run", "etc"} {
		found, _ := filepath.Glob(s.file(dir + "/systemd/journald.conf.d/*.conf"))
		for _, path := range found {
			byName[filepath.Base(path)] = path
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		files = append(files, byName[name])
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), "Storage="); ok {
				storage = strings.TrimSpace(value)
			}
		}
	}
	_, err := os.Stat(s.file("var/log/journal"))
	f.Journal = new(storage == "persistent" || storage == "auto" && err == nil)
}

func (f *Facts) agent(ctx context.Context, s Sources) {
	a, err := config.LoadAgent(s.AgentPath, s.Kinds)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	f.Agent = &Agent{Node: a.Node, Err: err}
	if err != nil {
		return
	}
	certificates, _ := filepath.Glob(filepath.Join(a.Dir, "*.crt"))
	keys, _ := filepath.Glob(filepath.Join(a.Dir, "*.pem"))
	f.Agent.Joined = len(certificates)+len(keys) > 0
	f.Agent.Running = f.running(ctx, s, "lastwatt-agent.service")
	f.State = append(f.State, s.directory(a.Dir))
}

// running is whether a unit runs; nil is not known.
func (f *Facts) running(ctx context.Context, s Sources, unit string) *bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	state, err := s.System.Unit(ctx, unit, "ActiveState")
	if err != nil {
		f.unchecked("whether "+unit+" runs", err)
		return nil
	}
	return new(state == "active" || state == "activating" || state == "reloading")
}

func (f *Facts) controller(ctx context.Context, s Sources) {
	c, err := config.Load(s.ControllerPath, s.Kinds)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	out := &Controller{Err: err, Wake: map[string]string{}}
	f.Controller = out
	if err != nil {
		return
	}
	for _, u := range c.UPS {
		out.Feeds = append(out.Feeds, u.Feeds...)
		out.Cut, out.Remote = out.Cut || u.Cut, out.Remote || remote(u)
	}
	for _, n := range c.Nodes {
		out.Nodes, out.Wake[n.Name] = append(out.Nodes, n.Name), n.Wake
		if n.UPSHost {
			out.UPSHost = n.Name
		}
	}
	out.Drain = c.Policy.Budgets.Drain
	if c.MQTT != nil && c.MQTT.Broker != "embedded" {
		if u, err := url.Parse(c.MQTT.Broker); err == nil {
			port, _ := strconv.ParseUint(u.Port(), 10, 16)
			out.Broker, out.Port = u.Hostname(), uint32(port)
		}
	}
	f.State = append(f.State, s.directory(c.Controller.StateDir))
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	snapshot, err := s.Snapshot(ctx)
	switch {
	case err == nil:
		out.Running, out.Health = true, snapshot.Health
	case errors.Is(err, fs.ErrPermission):
		out.Running = true
		f.unchecked("what the controller itself complains of", err)
	}
}

// remote is whether a UPS that feeds something is read over the network.
func remote(u config.UPS) bool {
	var keys map[string]any
	if len(u.Feeds) == 0 || u.Decode(&keys) != nil {
		return false
	}
	address, _ := keys["address"].(string)
	host := address
	if at, err := url.Parse(address); err == nil && at.Host != "" {
		host = at.Hostname()
	} else if u.Driver != "nut" {
		return false // a serial port, or no address at all
	} else if name, _, err := net.SplitHostPort(address); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// directory looks at where a state is kept.
func (s Sources) directory(path string) Directory {
	d := Directory{Path: path}
	probe, err := os.CreateTemp(path, ".doctor-")
	if err != nil {
		d.Err = errors.Unwrap(err)
		return d
	}
	probe.Close()
	d.Err = os.Remove(probe.Name())
	mounts, _ := s.text("proc/self/mounts")
	d.Memory = inMemory(path, mounts)
	return d
}

// inMemory is whether the file system that holds path, by /proc/self/mounts, is in
// memory.
func inMemory(path, mounts string) bool {
	longest, kind := "", ""
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		at := fields[1]
		holds := at == path || at == "/" || strings.HasPrefix(path, at+"/")
		if holds && len(at) >= len(longest) {
			longest, kind = at, fields[2]
			if kind == "overlay" && strings.Contains(fields[3], "upperdir=/media/root-rw") {
				kind = "tmpfs" // Raspberry Pi OS's overlay keeps what is written in memory
			}
		}
	}
	return slices.Contains([]string{"tmpfs", "ramfs"}, kind)
}

func (f *Facts) engine(ctx context.Context, s Sources) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	habits, err := s.Engine.Habits(ctx)
	if err != nil {
		f.unchecked("the container engine and its Swarm", err)
		return
	}
	f.Engine = &Engine{Habits: habits, Shutdown: 15 * time.Second} // dockerd's default
	if habits.Role == "worker" {
		f.unchecked("the Swarm's autolock and services", errors.New("this node is a worker: ask on a manager"))
	}
	if text, ok := s.text("etc/docker/daemon.json"); ok {
		var d struct {
			Shutdown *float64 `json:"shutdown-timeout"`
		}
		if err := json.NewDecoder(bytes.NewReader([]byte(text))).Decode(&d); err != nil {
			f.unchecked("dockerd's own configuration", err)
		} else if d.Shutdown != nil {
			f.Engine.Shutdown = time.Duration(*d.Shutdown * float64(time.Second))
		}
	}
	value, err := s.System.Unit(ctx, "docker.service", "TimeoutStopUSec")
	if err == nil {
		f.Engine.Unit, err = unitTime(value)
	}
	if err != nil {
		f.unchecked("how long systemd waits for dockerd", err)
	}
}

// unitTime reads a time as systemctl shows it, such as "1min 30s"; infinity is 0.
func unitTime(text string) (time.Duration, error) {
	if text == "infinity" || text == "" {
		return 0, nil
	}
	return time.ParseDuration(strings.NewReplacer("min", "m", " ", "").Replace(text))
}

// devices tries what the board has, and what drivers here may need.
func (f *Facts) devices(s Sources) {
	try := func(path, use string) {
		err := s.System.Open(s.file(path))
		if !errors.Is(err, fs.ErrNotExist) {
			f.Devices = append(f.Devices, Device{Path: path, For: use, Err: err})
		}
	}
	if f.Pi {
		mailbox := "/dev/vcio_gencmd"
		if _, err := os.Stat(s.file(mailbox)); err != nil {
			mailbox = "/dev/vcio"
		}
		try(mailbox, "the firmware's flags and settings")
	}
	for _, glob := range []struct{ glob, use string }{{"dev/hidraw*", "UPSes over USB"}, {"dev/gpiochip*", "fans, signals and relays"}} {
		found, _ := filepath.Glob(s.file(glob.glob))
		for _, path := range found {
			relative, err := filepath.Rel(s.Root, path)
			if err == nil {
				try("/"+relative, glob.use)
			}
		}
	}
}
