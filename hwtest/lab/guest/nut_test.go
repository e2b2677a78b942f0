//go:build guest

package guest

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/usbhid"
	"lastwatt/hwtest/vups"
	"lastwatt/sim"

	"go.yaml.in/yaml/v4"
)

// A pair is one simulated battery with two virtual UPSes on it: one for our
// driver and one for Debian's NUT.
type pair struct {
	t     *testing.T
	model *sim.UPS
	dir   string // NUT's files
	work  sync.WaitGroup
	// unplug are the devices by their serial numbers, programs NUT's by name.
	unplug   map[string]func() error
	programs map[string]*exec.Cmd

	mu   sync.Mutex
	ours drivers.UPS
	told chan time.Time // our edges
}

func newPair(t *testing.T, transport, settings string, battery sim.Battery) *pair {
	t.Helper()
	dir, err := os.MkdirTemp("", "nut")
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(dir, 0o755)
	p := &pair{t: t, dir: dir, unplug: map[string]func() error{}, programs: map[string]*exec.Cmd{}, told: make(chan time.Time, 16), model: sim.NewUPS(sim.UPSParams{Battery: battery, NominalWatts: 960})}
	p.model.SetLoad(100)
	for port, serial := range []string{"OURS1", "NUTS1"} {
		d, err := vups.New(p.model, serial)
		if err != nil {
			t.Fatal(err)
		}
		unplug, err := vups.Plug(t.Context(), d, port)
		if err != nil {
			t.Fatal(err)
		}
		p.unplug[serial] = sync.OnceValue(unplug)
		t.Cleanup(func() { p.unplug[serial](); time.Sleep(500 * time.Millisecond) })
	}
	for range 50 {
		if found, err := usbhid.List(t.Context()); err == nil && len(found) == 2*len(usbhid.Transports()) {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	time.Sleep(time.Second) // the kernel's driver reads every report of both
	p.nut(settings)
	p.drive(transport)
	return p
}

// drive keeps our driver running.
func (p *pair) drive(transport string) {
	text := "transport: " + transport + "\nserial: OURS1\n"
	d, err := usbhid.Kind().New(func(into any) error { return yaml.Load([]byte(text), into, yaml.WithKnownFields()) },
		drivers.Options{Name: "main", Log: slog.New(slog.DiscardHandler), Now: time.Now, After: time.After})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(p.t.Context())
	p.t.Cleanup(func() { cancel(); p.work.Wait() })
	p.work.Go(func() {
		var last *bool
		for ctx.Err() == nil {
			d.Run(ctx, func(r drivers.Reading) {
				u, ok := r.Fact.(drivers.UPS)
				if !ok {
					return
				}
				if last != nil && u.OnBattery != nil && *last != *u.OnBattery {
					p.told <- time.Now()
				}
				if u.OnBattery != nil {
					last = u.OnBattery
				}
				p.mu.Lock()
				p.ours = u
				p.mu.Unlock()
			})
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// nut starts Debian's driver, server and monitor, with their defaults but for
// these settings of the driver.
func (p *pair) nut(settings string) {
	p.t.Helper()
	notify := filepath.Join(p.dir, "notify")
	for name, text := range map[string]string{
		"ups.conf":   "[lab]\n  driver = usbhid-ups\n  port = auto\n  serial = NUTS1\n" + settings,
		"upsd.conf":  "LISTEN 127.0.0.1 3493\n",
		"upsd.users": "[monitor]\n  password = lab\n  upsmon primary\n[lastwatt]\n  password = lab\n  actions = SET\n  instcmds = ALL\n",
		"upsmon.conf": "MONITOR lab@localhost 1 monitor lab primary\nMINSUPPLIES 1\nSHUTDOWNCMD \"/bin/true\"\nRUN_AS_USER root\nNOTIFYCMD " + notify +
			"\nNOTIFYFLAG ONLINE EXEC\nNOTIFYFLAG ONBATT EXEC\n",
		"notify": "#!/bin/sh\ndate +%s.%N > " + notify + ".new; mv " + notify + ".new " + notify + ".$NOTIFYTYPE\n",
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o700); err != nil {
			p.t.Fatal(err)
		}
	}
	p.startNUTsDriver()
	p.start("server", "/lib/nut/upsd", "-u", "root", "-D")
	p.start("", "/lib/nut/upsmon", "-D", "-u", "root")
}

func (p *pair) startNUTsDriver() {
	p.t.Helper()
	p.start("driver", "/lib/nut/usbhid-ups", "-a", "lab", "-u", "root", "-D")
}

// start runs one of NUT's programs and waits until it is ready.
func (p *pair) start(ready string, args ...string) {
	p.t.Helper()
	name := filepath.Base(args[0])
	cmd := exec.CommandContext(p.t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "NUT_CONFPATH="+p.dir, "NUT_STATEPATH="+p.dir, "NUT_ALTPIDPATH="+p.dir)
	log, err := os.OpenFile(filepath.Join(p.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.programs[name] = cmd
	p.t.Cleanup(func() { p.kill(name) })
	for range 100 {
		if p.ready(ready) {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	p.t.Fatalf("%s is not ready in 20 s: %s", args[0], text)
}

// kill ends one of NUT's programs as a crash does.
func (p *pair) kill(name string) {
	if cmd := p.programs[name]; cmd != nil {
		cmd.Process.Kill()
		cmd.Wait()
		delete(p.programs, name)
	}
	sockets, _ := filepath.Glob(filepath.Join(p.dir, name+"-*"))
	for _, s := range sockets {
		os.Remove(s)
	}
}

func (p *pair) ready(what string) bool {
	switch what {
	case "driver":
		sockets, _ := filepath.Glob(filepath.Join(p.dir, "usbhid-ups-*"))
		return len(sockets) > 0
	case "server":
		return p.nuts("ups.status") != ""
	}
	return true
}

// nuts asks NUT's server for a variable; empty if it has none.
func (p *pair) nuts(name string) string {
	conn, err := net.DialTimeout("tcp", "127.0.0.1:3493", time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	fmt.Fprintf(conn, "GET VAR lab %s\n", name)
	line, _ := bufio.NewReader(conn).ReadString('\n')
	_, value, _ := strings.Cut(strings.TrimSpace(line), `"`)
	return strings.TrimSuffix(value, `"`)
}

func (p *pair) our(name string) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.ours.Variables() {
		if v.Name == name {
			return v.Value
		}
	}
	return nil
}

// differ lists in what we or NUT are not what the simulated battery is. NUT's
// values are whole volts and tenths, as ours.
func (p *pair) differ() []string {
	truth := map[string]any{}
	for _, v := range p.model.Fact().Variables() {
		truth[v.Name] = v.Value
	}
	var differ []string
	for _, name := range compared() {
		want, ours, nuts := truth[name], p.our(name), p.nuts(name)
		if name == "ups.status" {
			want, ours, nuts = tokens(fmt.Sprint(want)), tokens(fmt.Sprint(ours)), tokens(nuts)
		}
		if w, ok := want.(float64); ok && name == "battery.runtime" {
			want = min(w, 28110) // the most that this device says
		}
		if ours == nil || nuts == "" || !same(ours, fmt.Sprint(want)) || !same(want, nuts) {
			differ = append(differ, fmt.Sprintf("%s: the battery's %v, ours %v, NUT's %q", name, want, ours, nuts))
		}
	}
	return differ
}

func compared() []string {
	return []string{"battery.charge", "battery.voltage", "battery.runtime", "input.voltage", "output.voltage", "ups.load", "ups.status"}
}

// TestBesideNUT lets the battery go down and up again, and holds our readings and
// those of NUT's driver to the battery, and so to each other.
func TestBesideNUT(t *testing.T) {
	p := newPair(t, "gousb", "  pollfreq = 3\n", sim.ReferenceBattery())
	count, steps := 0, 0
	check := func(when string) {
		t.Helper()
		var differ []string
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(300 * time.Millisecond) {
			if differ = p.differ(); len(differ) == 0 || time.Now().After(end) {
				break
			}
		}
		count, steps = count+len(compared()), steps+1
		if len(differ) > 0 {
			t.Errorf("%s: %s", when, strings.Join(differ, "; "))
		}
		t.Logf("%s: %v, charge %v %%, %v s, %v V", when, p.our("ups.status"), p.our("battery.charge"), p.our("battery.runtime"), p.our("battery.voltage"))
	}
	check("full, on mains")
	p.model.SetMains(false)
	for p.model.Battery().Percent() > 3 {
		p.model.Advance(5 * time.Minute)
		check("on battery")
	}
	p.model.SetMains(true)
	for p.model.Battery().Percent() < 100 {
		p.model.Advance(time.Hour)
		check("on mains again")
	}
	t.Logf("%d values compared in %d steps", count, steps)
	if steps < 10 {
		t.Errorf("only %d steps: not a whole discharge and recharge", steps)
	}
}

// tokens are the tokens of a status that both know. NUT 2.8.0 does not say when
// the battery is full, and we do not either.
func tokens(status string) string {
	var known []string
	for _, token := range strings.Fields(status) {
		if slices.Contains([]string{"OL", "OB", "LB", "CHRG", "DISCHRG"}, token) {
			known = append(known, token)
		}
	}
	slices.Sort(known)
	return strings.Join(known, " ")
}
